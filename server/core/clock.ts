/** Time as the domain sees it: monotonic milliseconds and a cancellable wait. */
export interface Clock {
  /** Milliseconds on a monotonic clock; only differences mean something. */
  now(): number;
  /** Milliseconds since 1970 on the wall clock: for people, never for deadlines. */
  wallTime(): number;
  /** However long. Rejects with the signal's reason when cancelled. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
