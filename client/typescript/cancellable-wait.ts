import type { Connection } from "./connection.js";
import { ForkbusError } from "./errors.js";
import { linkSignals } from "./link-signals.js";
import { sleep } from "./retry.js";

const firstPauseMs = 5;
const longestPauseMs = 200;
const patienceMs = 5_000;

/**
 * Runs a Put or Get that may wait, and gives it up in-band when the signal aborts: the call then still answers, and
 * says whether it was given up or had won, so that no item is lost and none is stored unknown to the caller. The answer
 * is returned either way. Only a daemon that says nothing for five seconds is left in the middle; then the signal's
 * reason is thrown, and what happened is not known.
 */
export async function waitInBand<T>(
  connection: Connection,
  requestId: string,
  call: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  signal?.throwIfAborted();
  const force = new AbortController();
  const settled = new AbortController();
  const giveUp = (): void => {
    void giveUpWait(connection, requestId, settled.signal).then((gone) => {
      if (!gone) force.abort(signal?.reason);
    });
  };
  signal?.addEventListener("abort", giveUp, { once: true });
  try {
    return await call(force.signal);
  } finally {
    settled.abort();
    signal?.removeEventListener("abort", giveUp);
  }
}

/** Asks until the wait has settled; false when it does not within the time that it may take. */
async function giveUpWait(
  connection: Connection,
  requestId: string,
  settled: AbortSignal,
): Promise<boolean> {
  using stop = linkSignals(settled, AbortSignal.timeout(patienceMs));
  let pauseMs = firstPauseMs;
  while (!stop.signal.aborted) {
    try {
      // Not found may mean that it has not arrived yet: then the next one finds it.
      await connection.queues.cancelWait({ requestId }, { signal: stop.signal });
    } catch (error) {
      if (error instanceof ForkbusError && error.code !== "UNAVAILABLE") return false;
    }
    await sleep(pauseMs, stop.signal).catch(() => undefined);
    pauseMs = Math.min(pauseMs * 2, longestPauseMs);
  }
  return settled.aborted;
}
