import type { Items } from "../../wire/items.js";

/**
 * A put that waits for its answer: no error when all of its items are in the queue, else how many of the first ones are
 * for sure.
 */
export type PutAnswer = (error: unknown, stored: number) => void;

/** A put of so many items. */
export interface Put {
  readonly count: number;
  readonly answer: PutAnswer;
}

/** Items that travel together. */
export interface Batch {
  /** By the producer's sequences, which begin with 1. */
  readonly first: number;
  readonly items: Items;
}

interface WaitingPut {
  readonly first: number;
  readonly last: number;
  readonly answer: PutAnswer;
}

interface RejectedRun {
  readonly first: number;
  readonly last: number;
  readonly error: unknown;
}

/**
 * Items of one producer from the moment that they are put until it is known what became of them,
 * in order: kept to be sent again when the stream breaks.
 */
export class UnacceptedItems {
  #batches: Batch[] = [];
  #waiting: WaitingPut[] = [];
  #rejects: RejectedRun[] = [];
  #lastSeq = 0;
  #acceptedSeq = 0;
  #bytes = 0;

  /** Bytes of the items, as they travel. */
  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#lastSeq - this.#acceptedSeq;
  }

  get isEmpty(): boolean {
    return this.#batches.length === 0;
  }

  /** What became of all items up to this one is known. */
  get acceptedSeq(): number {
    return this.#acceptedSeq;
  }

  /** Adds items that travel together, of puts that have so many of them each, in order. */
  add(items: Items, puts: readonly Put[]): void {
    this.#batches.push({ first: this.#lastSeq + 1, items });
    for (const { count, answer } of puts) {
      const first = this.#lastSeq + 1;
      this.#lastSeq += count;
      this.#waiting.push({ first, last: this.#lastSeq, answer });
    }
    this.#bytes += items.encoded.length;
  }

  /** What is to be sent from this sequence on: the batch that holds it, or the rest of it. */
  from(seq: number): Batch | undefined {
    let low = 0;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const batch = this.#batches[middle];
      if (batch !== undefined && batch.first + batch.items.count <= seq) low = middle + 1;
      else high = middle;
    }
    const batch = this.#batches[low];
    if (batch === undefined || batch.first === seq) return batch;
    return { first: seq, items: batch.items.split(seq - batch.first)[1] };
  }

  reject(run: RejectedRun): void {
    this.#rejects.push(run);
  }

  /** All items up to this one are in the queue, but for those that were rejected. Puts get their answers. */
  accept(seq: number): void {
    this.#acceptedSeq = Math.max(this.#acceptedSeq, seq);
    const answered = count(this.#waiting, ({ last }) => last <= seq);
    for (const { first, last, answer } of this.#waiting.splice(0, answered)) {
      const reject = this.#rejects.find((run) => run.first <= last && first <= run.last);
      if (reject === undefined) answer(undefined, last - first + 1);
      else answer(reject.error, Math.max(0, reject.first - first));
    }
    this.#rejects = this.#rejects.filter(({ last }) => last > seq);
    const gone = count(this.#batches, ({ first, items }) => first + items.count - 1 <= seq);
    for (const { items } of this.#batches.splice(0, gone)) this.#bytes -= items.encoded.length;
  }

  /** Every put that waits gets this error. */
  fail(error: unknown): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#batches = [];
    this.#bytes = 0;
    for (const { first, answer } of waiting) {
      answer(error, Math.max(0, this.#acceptedSeq - first + 1));
    }
  }
}

/** How many of the first hold it. */
function count<T>(values: readonly T[], holds: (value: T) => boolean): number {
  const end = values.findIndex((value) => !holds(value));
  return end < 0 ? values.length : end;
}
