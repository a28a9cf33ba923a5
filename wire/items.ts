import { varintBytes, writeVarint } from "./varint.js";

/** The field `items` of Frame, as wire type `bytes`. */
export const ITEM_TAG = 0x7a;

/** Where a prefix of items ends that keeps to some limits. */
export interface ItemLimits {
  readonly items: number;
  /** Bytes of the items themselves. */
  readonly bytes: number;
  /** Bytes of the items as they travel. */
  readonly encodedBytes: number;
}

/**
 * Items in order, as they travel in a frame: for each the tag, its length as a varint, its bytes.
 * Any run of them is itself a valid piece of a frame, so they are split and joined at item
 * boundaries, and what is inside an item is never looked at.
 *
 * The encoding is the shortest one, whoever made it: see `readFrame`.
 */
export class Items implements Iterable<Uint8Array> {
  readonly encoded: Uint8Array;
  readonly count: number;
  /** Bytes of the items themselves. */
  readonly bytes: number;

  /** For those who have walked the encoding and counted. */
  constructor(encoded: Uint8Array, count: number, bytes: number) {
    this.encoded = encoded;
    this.count = count;
    this.bytes = bytes;
  }

  /** Copies the items. */
  static of(items: readonly Uint8Array[]): Items {
    let bytes = 0;
    let encodedBytes = 0;
    for (const { length } of items) {
      bytes += length;
      encodedBytes += 1 + varintBytes(length) + length;
    }
    const encoded = new Uint8Array(encodedBytes);
    let position = 0;
    for (const item of items) {
      encoded[position++] = ITEM_TAG;
      position = writeVarint(encoded, position, item.length);
      encoded.set(item, position);
      position += item.length;
    }
    return new Items(encoded, items.length, bytes);
  }

  /** Views of the items. */
  *[Symbol.iterator](): Iterator<Uint8Array> {
    const { encoded } = this;
    let position = 0;
    while (position < encoded.length) {
      const length = lengthAt(encoded, position);
      const begin = position + 1 + varintBytes(length);
      position = begin + length;
      yield encoded.subarray(begin, position);
    }
  }

  /** Views of the items, all at once: a loop over many is several times faster than by the iterator. */
  toArray(): Uint8Array[] {
    const { encoded } = this;
    const { buffer, byteOffset } = encoded;
    const items = new Array<Uint8Array>(this.count);
    let position = 0;
    for (let index = 0; index < items.length; index++) {
      const length = lengthAt(encoded, position);
      const begin = position + 1 + varintBytes(length);
      items[index] = new Uint8Array(buffer, byteOffset + begin, length);
      position = begin + length;
    }
    return items;
  }

  /** Bytes of the largest item; 0 when there is none. */
  get largest(): number {
    const { encoded } = this;
    let largest = 0;
    for (let position = 0; position < encoded.length;) {
      const length = lengthAt(encoded, position);
      if (length > largest) largest = length;
      position += 1 + varintBytes(length) + length;
    }
    return largest;
  }

  /** The first `count` of them and the rest, as views of the same memory. */
  split(count: number): [Items, Items] {
    if (count < 0 || count > this.count) {
      throw new Error(`${this.count} items cannot be split after ${count}`);
    }
    return this.#splitAt(this.#walk({ items: count, bytes: Infinity, encodedBytes: Infinity }));
  }

  /** As many of the first as keep to the limits, and the rest. */
  splitWithin(limits: ItemLimits): [Items, Items] {
    if (this.keepsTo(limits)) return [this, NO_ITEMS];
    return this.#splitAt(this.#walk(limits));
  }

  keepsTo({ items, bytes, encodedBytes }: ItemLimits): boolean {
    return this.count <= items && this.bytes <= bytes && this.encoded.length <= encodedBytes;
  }

  /** A copy that keeps no other memory alive. */
  copy(): Items {
    // Not slice: that of a Buffer, which requests come in, is a view.
    return new Items(new Uint8Array(this.encoded), this.count, this.bytes);
  }

  #walk(limits: ItemLimits): Place {
    const { encoded } = this;
    let count = 0;
    let bytes = 0;
    let position = 0;
    while (position < encoded.length && count < limits.items) {
      const length = lengthAt(encoded, position);
      const end = position + 1 + varintBytes(length) + length;
      if (bytes + length > limits.bytes || end > limits.encodedBytes) break;
      count++;
      bytes += length;
      position = end;
    }
    return { count, bytes, position };
  }

  #splitAt({ count, bytes, position }: Place): [Items, Items] {
    return [
      new Items(this.encoded.subarray(0, position), count, bytes),
      new Items(this.encoded.subarray(position), this.count - count, this.bytes - bytes),
    ];
  }
}

export const NO_ITEMS = new Items(new Uint8Array(0), 0, 0);

interface Place {
  readonly count: number;
  readonly bytes: number;
  readonly position: number;
}

/** The length of the item whose tag is at `position`. */
function lengthAt(encoded: Uint8Array, position: number): number {
  let value = 0;
  for (let at = position + 1, shift = 0; ; at++, shift += 7) {
    const byte = encoded[at];
    if (byte === undefined) throw new Error("Items end within a length");
    if (byte < 0x80) return value + (byte << shift);
    value += (byte - 0x80) << shift;
  }
}
