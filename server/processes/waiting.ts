import { type Clock } from "../core/clock.js";
import { deferred } from "../core/deferred.js";
import { type ProcessUid } from "../core/ids.js";
import { type ProcessRecord } from "./process-record.js";
import { type ProcessTable } from "./process-table.js";

/** Waits for something that changes come along for: subscribe, look, wait, look again. */
export interface Watched {
  /** Calls back when it may have come true. */
  readonly watch: (onChange: () => void) => Disposable;
  readonly holds: () => boolean;
}

/**
 * Resolves to true when it holds, to false when `waitMs` (null: no limit) has passed. Rejects with
 * the signal's reason; cancelling costs nothing but the wait.
 */
export async function waitUntil(
  { watch, holds }: Watched,
  waitMs: number | null,
  clock: Clock,
  signal: AbortSignal,
): Promise<boolean> {
  signal.throwIfAborted();
  if (holds()) return true;
  if (waitMs === 0) return false;
  const reached = deferred<boolean>();
  using _watch = watch(() => {
    if (holds()) reached.resolve(true);
  });
  const cancelled = (): void => {
    reached.reject(signal.reason);
  };
  signal.addEventListener("abort", cancelled, { once: true });
  const timer =
    waitMs === null
      ? null
      : timerOf(waitMs, clock, () => {
          reached.resolve(false);
        });
  try {
    return await reached.promise;
  } finally {
    signal.removeEventListener("abort", cancelled);
    timer?.abort(OVER);
  }
}

/** Made once: each error looks for its stack. */
const OVER = new Error("The wait is over");

function timerOf(ms: number, clock: Clock, onTime: () => void): AbortController {
  const cancel = new AbortController();
  clock.sleep(ms, cancel.signal).then(onTime, () => undefined);
  return cancel;
}

/** One process of many that has come as far as was waited for; no record: it is not there any more. */
export interface Reached {
  readonly name: string;
  readonly record: ProcessRecord | undefined;
}

/**
 * Yields each process once, as soon as it satisfies the condition or is gone, until `count` have.
 * Ends early, without error, when `waitMs` has passed.
 */
export async function* waitForMany(
  table: ProcessTable,
  uids: ReadonlyMap<string, ProcessUid | undefined>,
  satisfies: (record: ProcessRecord) => boolean,
  { count, waitMs }: { readonly count: number; readonly waitMs: number | null },
  clock: Clock,
  signal: AbortSignal,
): AsyncIterable<Reached> {
  const waiting = new Map(uids);
  const ready: Reached[] = [];
  let wake = (): void => undefined;
  const look = (name: string, uid: ProcessUid | undefined): void => {
    if (!waiting.has(name)) return;
    const record = uid === undefined ? undefined : table.byUid(uid);
    if (record !== undefined && !satisfies(record)) return;
    waiting.delete(name);
    ready.push({ name, record });
    wake();
  };
  const watches = [...uids].map(([name, uid]) => {
    const watch =
      uid === undefined
        ? undefined
        : table.watch(uid, () => {
            look(name, uid);
          });
    look(name, uid);
    return watch;
  });
  const deadlineMs = waitMs === null ? null : clock.now() + waitMs;
  try {
    for (let yielded = 0; yielded < count;) {
      const next = ready.shift();
      if (next !== undefined) {
        yielded++;
        yield next;
        continue;
      }
      const leftMs = deadlineMs === null ? null : Math.max(0, deadlineMs - clock.now());
      const watched: Watched = {
        watch: (onChange) => {
          wake = onChange;
          return { [Symbol.dispose]: () => undefined };
        },
        holds: () => ready.length > 0,
      };
      if (!(await waitUntil(watched, leftMs, clock, signal))) return;
    }
  } finally {
    for (const watch of watches) watch?.[Symbol.dispose]();
  }
}
