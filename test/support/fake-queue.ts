import { type Queue } from "../../proto/gen/forkbus/v1/queue.js";

/** A queue of the fake daemon: its items in an array that tests look at and change. */
export class FakeQueue {
  readonly message: Queue;
  items: Uint8Array[] = [];
  shutDown = false;
  deleted = false;
  /** Items that Consume streams have been sent and have not taken, by stream. */
  readonly consumers = new Set<{ readonly untaken: Uint8Array[] }>();
  /** Produce streams that are open. */
  producers = 0;
  #lastSeq = 0n;
  readonly #seqs = new WeakMap<Uint8Array, bigint>();

  constructor(message: Queue) {
    this.message = message;
  }

  get texts(): string[] {
    return this.items.map((item) => Buffer.from(item).toString());
  }

  get untaken(): number {
    return [...this.consumers].reduce((sum, { untaken }) => sum + untaken.length, 0);
  }

  get hasRoom(): boolean {
    const { spec } = this.message;
    const maxItems = Number(spec?.maxItems ?? 0n) || Infinity;
    return this.items.length + this.untaken < maxItems;
  }

  /** Drops every item, also what was sent and not taken. */
  clear(): void {
    this.items = [];
    for (const { untaken } of this.consumers) untaken.length = 0;
  }

  /** Items that can never be stored here have a reason. */
  refusal(item: Uint8Array): "ITEM_TOO_LARGE" | undefined {
    const most = Number(this.message.spec?.maxBytes ?? 0n) || Infinity;
    return item.length > Math.min(most, 64 * 1024 * 1024) ? "ITEM_TOO_LARGE" : undefined;
  }

  seqOf(item: Uint8Array): bigint {
    return this.#seqs.get(item) ?? 0n;
  }

  /** Removes the first items, at most so many, which have consecutive sequences. */
  takeFirst(most: number, mostBytes: number): Uint8Array[] {
    this.#number();
    const taken: Uint8Array[] = [];
    let bytes = 0;
    for (const item of this.items.slice(0, most)) {
      const last = taken.at(-1);
      bytes += item.length;
      if (last !== undefined && this.seqOf(item) !== this.seqOf(last) + 1n) break;
      if (last !== undefined && bytes > mostBytes) break;
      taken.push(item);
    }
    this.items.splice(0, taken.length);
    return taken;
  }

  /** Puts items back in their old place. */
  putBack(items: readonly Uint8Array[]): void {
    this.#number();
    this.items = [...items, ...this.items].sort((a, b) => Number(this.seqOf(a) - this.seqOf(b)));
  }

  /** Gives items sequences in the order in which they are. Those that were ever taken have theirs. */
  #number(): void {
    for (const item of this.items) {
      if (!this.#seqs.has(item)) this.#seqs.set(item, ++this.#lastSeq);
    }
  }
}
