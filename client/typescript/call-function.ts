import { randomUUID } from "node:crypto";
import type { Connection } from "./connection.js";
import { TimedOutError } from "./errors.js";
import { linkSignals } from "./link-signals.js";
import { Process } from "./process.js";
import type { NodeTarget, PythonTarget, WorkerOptions } from "./process-options.js";
import { deadlineAfter, type WaitOptions } from "./wait-options.js";

/** What to call, and how: as `Client.process`, and a function. */
export type CallOptions = WorkerOptions & (PythonTarget | NodeTarget);

/** How long a call that is given up waits for the daemon to hear of it. */
const patienceMs = 1_000;
const longestTimerMs = 0x7fff_ffff;

/** Starts a worker, takes its value and removes its record. See `Client.call`. */
export async function callFunction(
  connection: Connection,
  options: CallOptions,
  { signal, timeoutMs }: WaitOptions,
): Promise<unknown> {
  using limit = timeLimit(timeoutMs);
  using linked = linkSignals(signal, limit.signal);
  // A name from here, so that a worker can be stopped whose start was given up.
  const ownName = `call-${randomUUID()}`;
  const process = new Process(connection, { name: ownName, ...options });
  let value: unknown;
  try {
    await process.start(linked);
    value = await process.result(linked);
  } catch (error) {
    const isOurs = process.isStarted || process.name === ownName;
    if (linked.signal.aborted && isOurs) await stopSoon(connection, process);
    throw error;
  }
  await process.delete();
  return value;
}

/** Tells the daemon to stop it, and does not wait for that. */
async function stopSoon({ processes }: Connection, process: Process): Promise<void> {
  const uid = process.isStarted ? process.uid : "";
  try {
    await processes.stopProcess(
      { name: process.name, uid, waitMs: 0 },
      { signal: AbortSignal.timeout(patienceMs) },
    );
  } catch {
    // What the caller is to know is why the call was given up; it may be that there is nothing to stop.
  }
}

function timeLimit(timeoutMs: number | undefined): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController();
  const hasLimit = deadlineAfter(timeoutMs) !== undefined && (timeoutMs ?? 0) <= longestTimerMs;
  const timer = hasLimit
    ? setTimeout(() => {
        const message = `The function has not returned in ${timeoutMs ?? 0} ms`;
        controller.abort(new TimedOutError(message, { code: "DEADLINE_EXCEEDED" }));
      }, timeoutMs)
    : undefined;
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      clearTimeout(timer);
    },
  };
}
