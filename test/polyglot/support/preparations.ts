/** Work that goes on while others wait for something else; who waits for it gets its error. */
export class Preparations {
  readonly #byName = new Map<string, Promise<unknown>>();

  start(name: string, work: Promise<unknown>): void {
    // Nobody may be waiting yet.
    work.catch(() => undefined);
    this.#byName.set(name, work);
  }

  async ready(name: string): Promise<void> {
    const work = this.#byName.get(name);
    if (work === undefined) throw new Error(`Nobody has started ${name}`);
    await work;
  }
}
