import type { Window } from "./consume-stream.js";

/** How many items to take at once, and how many more may be sent ahead. */
export interface ConsumePace {
  readonly chunkItems: number;
  readonly window: Window;
  /**
   * Whether to take the next chunk while one is worked off, instead of after it: for consumers that would otherwise
   * wait for the daemon more than they work. What is taken ahead is lost too when this program dies.
   */
  readonly takesAhead: boolean;
  /** A chunk has been worked off in this time. */
  workedOff(ms: number): void;
}

const megabyte = 1024 * 1024;

/** A chunk that takes longer to work off is too large, and the next one can wait for its turn. */
const slowMs = 10;

/** For whoever asks for batches: they are what is taken at once, and a few of them wait. */
export class BatchPace implements ConsumePace {
  readonly chunkItems: number;
  readonly window: Window;
  #takesAhead = false;

  constructor(batchItems: number) {
    this.chunkItems = batchItems;
    this.window = { items: 4 * batchItems, bytes: 4 * megabyte };
  }

  get takesAhead(): boolean {
    return this.#takesAhead;
  }

  workedOff(ms: number): void {
    this.#takesAhead = ms < slowMs;
  }
}

/**
 * For whoever gets one item after the other: small chunks, as they are what the death of this
 * program can lose, and a window as large as the consumer is quick, as what waits here nobody else
 * can have.
 */
export class ItemPace implements ConsumePace {
  static readonly largestChunk = 32;
  static readonly smallestWindow = 64;
  static readonly largestWindow = 1024;
  /** When a full chunk takes less, what waits in the largest window is worked off within 32 ms. */
  static readonly quickMs = 1;

  readonly #prefetch: number | undefined;
  #chunkItems = 1;
  #windowItems: number;

  /** @param prefetch the size of the window; undefined: it finds its own */
  constructor(prefetch: number | undefined) {
    this.#prefetch = prefetch;
    this.#windowItems = prefetch ?? ItemPace.smallestWindow;
  }

  /** Smaller chunks, of which two might be taken within the same bound, cost more than the wait. */
  get takesAhead(): boolean {
    return false;
  }

  get chunkItems(): number {
    return this.#chunkItems;
  }

  get window(): Window {
    return { items: this.#windowItems, bytes: 4 * megabyte };
  }

  workedOff(ms: number): void {
    const { largestChunk, largestWindow, smallestWindow, quickMs } = ItemPace;
    const wasFull = this.#chunkItems === largestChunk;
    this.#chunkItems =
      ms < slowMs ? Math.min(this.#chunkItems * 2, largestChunk) : Math.ceil(this.#chunkItems / 2);
    if (this.#prefetch !== undefined) return;
    const quick = wasFull && ms < quickMs;
    const window = quick ? this.#windowItems * 2 : Math.floor(this.#windowItems / 2);
    this.#windowItems = Math.min(Math.max(window, smallestWindow), largestWindow);
  }
}
