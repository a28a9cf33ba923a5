/**
 * The items of a measurement, the same bytes in every language: sequence number of the producer (4 bytes, little
 * endian), the producer's number (1 byte), a pattern, and the low byte of the sequence number again at the end.
 */
export const headerBytes = 5;
const timeLook = 64;
export function patternOf(producer: number, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, index) => (index * 7 + producer) & 0xff);
}

/** Makes the items of one producer, each in memory of its own, as a program would that has something to say. */
export class ItemMaker {
  readonly #pattern: Uint8Array;
  #next = 0;

  constructor(producer: number, size: number) {
    if (size <= headerBytes) throw new RangeError(`An item needs more than 5 bytes, got ${size}`);
    this.#pattern = patternOf(producer, size);
    this.#pattern[4] = producer;
  }

  make(): Uint8Array {
    const sequence = this.#next++;
    const size = this.#pattern.length;
    const item = Buffer.allocUnsafe(size);
    item.set(this.#pattern);
    item.writeUInt32LE(sequence, 0);
    item[size - 1] = sequence & 0xff;
    return item;
  }

  makeMany(count: number): Uint8Array[] {
    const items: Uint8Array[] = [];
    for (let made = 0; made < count; made++) items.push(this.make());
    return items;
  }

  /** So many, each made when it is asked for, or what has been asked for when the time is up. */
  *items(most: number, forMs = Infinity): Generator<Uint8Array, void, undefined> {
    const deadline = performance.now() + forMs;
    for (let made = 0; made < most; made++) {
      // The time is asked for now and then: that costs as much as an item.
      if (made % timeLook === 0 && performance.now() >= deadline) return;
      yield this.make();
    }
  }

  /** How many it has made. */
  get made(): number {
    return this.#next;
  }
}

/** The sequence number in an item. */
export function sequenceOf(item: Uint8Array): number {
  const [a = 0, b = 0, c = 0, d = 0] = item;
  return a + b * 0x100 + c * 0x1_0000 + d * 0x100_0000;
}
