/** `draining`: shut down, and something is left; `shut-down`: nothing is. */
export type QueueState = "open" | "draining" | "shut-down";

/** A queue in numbers, at one moment: `put = acked + dropped + ready + untaken`. */
export interface QueueCounts {
  readonly state: QueueState;
  readonly ready: number;
  /** Sent to a taker that has not taken it yet. */
  readonly untaken: number;
  readonly storedBytes: number;
  readonly put: number;
  readonly acked: number;
  readonly dropped: number;
  readonly oldestReadyMs: number;
  /** Open subscriptions. */
  readonly consumers: number;
  /** Open streams of items into it. */
  readonly producers: number;
  readonly waitingPuts: number;
  readonly waitingGets: number;
}
