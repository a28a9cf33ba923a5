/** Distinct names in bytewise order, for listing in pages. */
export class SortedNames {
  readonly #names: string[] = [];

  add(name: string): void {
    const index = this.#firstAtOrAfter(name);
    if (this.#names[index] !== name) this.#names.splice(index, 0, name);
  }

  delete(name: string): void {
    const index = this.#firstAtOrAfter(name);
    if (this.#names[index] === name) this.#names.splice(index, 1);
  }

  /** Names with the prefix that come after `after`, in order; may be left at any point. */
  *list(prefix: string, after: string): Iterable<string> {
    let index = this.#firstAtOrAfter(after < prefix ? prefix : after);
    for (let name = this.#names[index]; name?.startsWith(prefix); name = this.#names[++index]) {
      if (name !== after) yield name;
    }
  }

  #firstAtOrAfter(name: string): number {
    let low = 0;
    let high = this.#names.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#names[middle] ?? "") < name) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
