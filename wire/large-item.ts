import { type FramePart } from "./frame.js";
import { Items, ITEM_TAG } from "./items.js";
import { varintBytes, writeVarint } from "./varint.js";

/** Puts one large item together from its parts, which come in order. */
export class LargeItem {
  readonly itemBytes: number;
  readonly #encoded: Uint8Array;
  readonly #header: number;
  #received = 0;

  constructor(itemBytes: number) {
    this.itemBytes = itemBytes;
    this.#header = 1 + varintBytes(itemBytes);
    // Memory that nothing was written to costs nothing: a client that only promises much gets little.
    this.#encoded = new Uint8Array(this.#header + itemBytes);
    this.#encoded[0] = ITEM_TAG;
    writeVarint(this.#encoded, 1, itemBytes);
  }

  /** Bytes of the item so far. */
  get received(): number {
    return this.#received;
  }

  /** Adds the next part, which must not go beyond the end. */
  add(part: Uint8Array): void {
    this.#encoded.set(part, this.#header + this.#received);
    this.#received += part.length;
  }

  /** The item, once it is complete. */
  complete(): Items | undefined {
    if (this.#received < this.itemBytes) return undefined;
    return new Items(this.#encoded, 1, this.itemBytes);
  }
}

/** Cuts a single item into parts of at most `partBytes`, in order. */
export function* partsOf(
  item: Items,
  partBytes: number,
): Generator<{ readonly part: FramePart; readonly items: Items }, void> {
  for (const body of item) {
    for (let offset = 0; offset < body.length; offset += partBytes) {
      const items = Items.of([body.subarray(offset, offset + partBytes)]);
      yield { part: { offset, itemBytes: body.length }, items };
    }
  }
}
