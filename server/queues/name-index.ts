/** Names in bytewise order. */
export class NameIndex {
  readonly #names: string[] = [];

  add(name: string): void {
    this.#names.splice(this.#firstNotBefore(name), 0, name);
  }

  remove(name: string): void {
    const place = this.#firstNotBefore(name);
    if (this.#names[place] === name) this.#names.splice(place, 1);
  }

  /** Names that begin with the prefix and come after the other name, in order. */
  *from(prefix: string, after: string): Generator<string> {
    const start = prefix > after ? prefix : after;
    for (let place = this.#firstNotBefore(start); ; place++) {
      const name = this.#names[place];
      if (name === undefined || !name.startsWith(prefix)) return;
      if (name !== after) yield name;
    }
  }

  #firstNotBefore(name: string): number {
    let low = 0;
    let high = this.#names.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#names[middle] ?? name) < name) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
