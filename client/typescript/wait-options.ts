/** How long to wait, and a way to stop waiting. */
export interface WaitOptions {
  /** Unset waits for as long as it takes, 0 does not wait. */
  readonly timeoutMs?: number;
  /** Aborting it rejects the wait with its reason. */
  readonly signal?: AbortSignal;
}

export type SignalOption = Pick<WaitOptions, "signal">;

const longestWaitMs = 0xffff_ffff;

/** A moment on the monotonic clock; undefined when the wait has no end. */
export type Deadline = number | undefined;

/** Throws a RangeError for what is not a time. */
export function deadlineAfter(timeoutMs: number | undefined): Deadline {
  if (timeoutMs === undefined || timeoutMs === Infinity) return undefined;
  if (!(timeoutMs >= 0)) throw new RangeError(`A timeout is at least 0 ms, got ${timeoutMs}`);
  return performance.now() + timeoutMs;
}

/** What is left of a wait, as the field of a request; it shrinks when a call is repeated. */
export function waitFor(deadline: Deadline): { waitMs?: number } {
  if (deadline === undefined) return {};
  const leftMs = Math.ceil(Math.max(deadline - performance.now(), 0));
  return leftMs > longestWaitMs ? {} : { waitMs: leftMs };
}

/** The same as an option of ours. */
export function timeLeft(deadline: Deadline): Pick<WaitOptions, "timeoutMs"> {
  return deadline === undefined ? {} : { timeoutMs: Math.max(deadline - performance.now(), 0) };
}

/** The call options for an optional signal. */
export function withSignal(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
