import type { Connection } from "./connection.js";
import { ForkbusError, TimedOutError } from "./errors.js";
import { linkSignals } from "./link-signals.js";
import { sleep } from "./retry.js";

const firstPauseMs = 5;
const longestPauseMs = 200;
/** How long a daemon may say nothing when it is asked what became of something that was given up. */
export const patienceMs = 5_000;
/** How much longer than its own time a wait may last before it is given up from here. */
const slackMs = 1_000;
const longestTimerMs = 0x7fff_ffff;

/**
 * Runs a Put or Get that may wait, and gives it up in-band when the signal aborts: the call then still answers, and
 * says whether it was given up or had won, so that no item is lost and none is stored unknown to the caller. The answer
 * is returned either way. Only a daemon that says nothing for five seconds is left in the middle; then the signal's
 * reason is thrown, and what happened is not known.
 *
 * A wait of `waitMs` that the daemon does not end in time is given up in the same way: a daemon that stands still then
 * costs a TimedOutError.
 */
export async function waitInBand<T>(
  connection: Connection,
  { requestId, waitMs }: { readonly requestId: string; readonly waitMs?: number },
  call: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  signal?.throwIfAborted();
  const force = new AbortController();
  const settled = new AbortController();
  const giveUp = (reason: unknown): void => {
    void giveUpWait(connection, requestId, settled.signal).then((gone) => {
      if (!gone) force.abort(reason);
    });
  };
  const onAbort = (): void => {
    giveUp(signal?.reason);
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  const backstop = backstopAfter(waitMs, () => {
    giveUp(noAnswer());
  });
  try {
    return await call(force.signal);
  } finally {
    settled.abort();
    clearTimeout(backstop);
    signal?.removeEventListener("abort", onAbort);
  }
}

function backstopAfter(waitMs: number | undefined, late: () => void): NodeJS.Timeout | undefined {
  if (waitMs === undefined || waitMs + slackMs > longestTimerMs) return undefined;
  return setTimeout(late, waitMs + slackMs);
}

function noAnswer(): TimedOutError {
  const message = "The daemon did not answer in time: whether the call took effect is not known";
  return new TimedOutError(message, { code: "DEADLINE_EXCEEDED" });
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
