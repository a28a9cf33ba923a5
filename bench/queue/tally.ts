import type { ConsumerAnswer } from "./exchange.js";
import { headerBytes, patternOf, sequenceOf } from "./items.js";
import { nowNs } from "./moment.js";

/** Every so many items are compared byte by byte; the others by size, header and last byte. */
const wholeLook = 256;
/** To ask for the time costs as much as to look at an item, so it is asked for every so many. */
const timeLook = 16;

/**
 * Looks at every item that one consumer gets. Throws for one that is damaged, or that comes after a later one of the
 * same producer.
 */
export class Tally {
  readonly #size: number;
  readonly #patterns = new Map<number, Uint8Array>();
  /** The last sequence number of each producer. */
  readonly #last: number[] = [];
  readonly #total: number;
  #count = 0;
  #sequences = 0;
  #timed = 0;
  #timedNs: bigint | null = null;

  /** Of items of that size, at most `total`. */
  constructor(size: number, total: number) {
    this.#size = size;
    this.#total = total;
  }

  add(item: Uint8Array): void {
    const size = this.#size;
    const sequence = sequenceOf(item);
    const producer = item[4] ?? -1;
    if (item.length !== size || item[size - 1] !== (sequence & 0xff)) {
      throw new Error(`Item ${sequence} of producer ${producer} is damaged: ${item.length} bytes`);
    }
    const last = this.#last[producer] ?? -1;
    if (sequence <= last) {
      throw new Error(`Item ${sequence} of producer ${producer} came after its item ${last}`);
    }
    this.#last[producer] = sequence;
    this.#sequences += sequence;
    const count = ++this.#count;
    if (count % wholeLook === 1) this.#lookAtAll(item, producer, sequence);
    if (count % timeLook === 0 || count === this.#total) this.#time();
  }

  /** When nothing comes any more. The time of the last item is that of this call, unless it is known better. */
  finish(): ConsumerAnswer {
    if (this.#timed < this.#count) this.#time();
    return {
      last_item_ns: this.#timedNs === null ? null : String(this.#timedNs),
      count: this.#count,
      bytes: this.#count * this.#size,
      sequences: this.#sequences,
    };
  }

  #time(): void {
    this.#timed = this.#count;
    this.#timedNs = nowNs();
  }

  #lookAtAll(item: Uint8Array, producer: number, sequence: number): void {
    let pattern = this.#patterns.get(producer);
    if (pattern === undefined) {
      pattern = patternOf(producer, this.#size);
      this.#patterns.set(producer, pattern);
    }
    for (let index = headerBytes; index < this.#size - 1; index++) {
      if (item[index] !== pattern[index]) {
        throw new Error(`Item ${sequence} of producer ${producer} is damaged at byte ${index}`);
      }
    }
  }
}
