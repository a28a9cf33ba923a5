import { setTimeout as delay } from "node:timers/promises";
import { ForkbusError } from "./errors.js";

export interface RetryPolicy {
  /** How long an outage may last before its error is thrown. 0 does not retry. */
  readonly reconnectMs: number;
}

const firstPauseMs = 25;
const longestPauseMs = 500;

/**
 * Runs a call that may be repeated, again and again while it ends in UNAVAILABLE, until the outage has lasted
 * `reconnectMs`; then the last error is thrown. A call that lived longer than that before it broke, as a wait does,
 * begins a new outage. Pauses double from 25 to 500 ms, and are drawn at random so that clients of a daemon that comes
 * back do not come all at once; a pause that the daemon asks for is kept. `mayRepeat` narrows which errors count.
 */
export async function repeatWhileUnavailable<T>(
  policy: RetryPolicy,
  call: () => Promise<T>,
  signal?: AbortSignal,
  mayRepeat?: (error: ForkbusError) => boolean,
): Promise<T> {
  const outage = new Outage(policy);
  for (;;) {
    outage.attempt();
    try {
      return await call();
    } catch (error) {
      await outage.pause(error, signal, mayRepeat);
    }
  }
}

/** Time since the daemon stopped to answer. Streams, which resume where they were, drive it themselves. */
export class Outage {
  readonly #policy: RetryPolicy;
  #attemptAt = 0;
  #began: number | undefined;
  #pauseMs = firstPauseMs;

  constructor(policy: RetryPolicy) {
    this.#policy = policy;
  }

  /** An attempt begins now. */
  attempt(): void {
    this.#attemptAt = performance.now();
  }

  /** The daemon has answered. */
  over(): void {
    this.#began = undefined;
    this.#pauseMs = firstPauseMs;
  }

  /** Waits before the next attempt, or throws the error when it may not be repeated or has lasted too long. */
  async pause(
    error: unknown,
    signal?: AbortSignal,
    mayRepeat: (error: ForkbusError) => boolean = isUnavailable,
  ): Promise<void> {
    if (!(error instanceof ForkbusError) || !mayRepeat(error)) throw error;
    const now = performance.now();
    if (now - this.#attemptAt > this.#policy.reconnectMs) this.over();
    this.#began ??= now;
    const leftMs = this.#began + this.#policy.reconnectMs - now;
    if (leftMs <= 0) throw error;
    const pauseMs = Math.max(this.#pauseMs * (0.5 + Math.random() / 2), error.retryAfterMs ?? 0);
    this.#pauseMs = Math.min(this.#pauseMs * 2, longestPauseMs);
    await sleep(Math.min(pauseMs, leftMs), signal);
  }
}

function isUnavailable(error: ForkbusError): boolean {
  return error.code === "UNAVAILABLE";
}

/** The daemon answered that it did nothing, so that even a call that must not run twice may be repeated. */
export function didNothing(error: ForkbusError): boolean {
  return error.reason === "DRAINING";
}

export async function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}
