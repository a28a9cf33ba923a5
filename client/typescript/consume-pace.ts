import type { Window } from "./consume-stream.js";

/** How many items to take at once, and how many more may be sent ahead. */
export interface ConsumePace {
  readonly chunkItems: number;
  readonly window: Window;
  /** A chunk has been worked off in this time. */
  workedOff(ms: number): void;
}

const megabyte = 1024 * 1024;

/** For whoever asks for batches: they are what is taken at once, and a few of them wait. */
export function batchPace(batchItems: number): ConsumePace {
  const window = { items: 4 * batchItems, bytes: 4 * megabyte };
  return { chunkItems: batchItems, window, workedOff: () => undefined };
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
  /** A chunk that takes longer is too large. */
  static readonly slowMs = 10;
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

  get chunkItems(): number {
    return this.#chunkItems;
  }

  get window(): Window {
    return { items: this.#windowItems, bytes: 4 * megabyte };
  }

  workedOff(ms: number): void {
    const { largestChunk, largestWindow, smallestWindow, slowMs, quickMs } = ItemPace;
    const wasFull = this.#chunkItems === largestChunk;
    this.#chunkItems =
      ms < slowMs ? Math.min(this.#chunkItems * 2, largestChunk) : Math.ceil(this.#chunkItems / 2);
    if (this.#prefetch !== undefined) return;
    const quick = wasFull && ms < quickMs;
    const window = quick ? this.#windowItems * 2 : Math.floor(this.#windowItems / 2);
    this.#windowItems = Math.min(Math.max(window, smallestWindow), largestWindow);
  }
}
