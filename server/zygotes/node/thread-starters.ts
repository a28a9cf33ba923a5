import { currentThreads, nameOf } from "./threads.js";

/** Which module of a template came with which thread: a thread of Node's seldom has a name that tells anybody something. */
export class ThreadStarters {
  readonly #before = currentThreads();
  readonly #modules = new Map<string, string>();

  /** After this module has been loaded. */
  look(module: string): void {
    for (const thread of currentThreads()) {
      if (this.#before.has(thread) || this.#modules.has(thread)) continue;
      this.#modules.set(thread, module);
    }
  }

  nameOf(thread: string): string {
    const module = this.#modules.get(thread);
    return module === undefined ? nameOf(thread) : `${nameOf(thread)} of ${module}`;
  }
}
