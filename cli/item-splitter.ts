/**
 * Cuts a stream of bytes into items at a separator, whatever way the stream is cut itself. The separator is no part of
 * an item; an empty stretch between two is an empty item. Holds at most one unfinished item.
 */
export class ItemSplitter {
  readonly #separator: number;
  #rest: Uint8Array[] = [];

  constructor(separator: "\n" | "\0") {
    this.#separator = separator.charCodeAt(0);
  }

  /** Bytes of the unfinished item. */
  get pendingBytes(): number {
    return this.#rest.reduce((sum, part) => sum + part.length, 0);
  }

  /** The items that are whole now. */
  push(chunk: Uint8Array): readonly Uint8Array[] {
    const items: Uint8Array[] = [];
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(this.#separator, start);
      if (end < 0) break;
      items.push(this.#finish(chunk.subarray(start, end)));
      start = end + 1;
    }
    if (start < chunk.length) this.#rest.push(chunk.subarray(start));
    return items;
  }

  /** What stands after the last separator, if anything. */
  end(): readonly Uint8Array[] {
    return this.#rest.length === 0 ? [] : [this.#finish(new Uint8Array())];
  }

  #finish(last: Uint8Array): Uint8Array {
    if (this.#rest.length === 0) return last;
    const item = Buffer.concat([...this.#rest, last]);
    this.#rest = [];
    return item;
  }
}
