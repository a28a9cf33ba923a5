import { setTimeout as delay } from "node:timers/promises";
import { foreignThreads, nameOf, type OwnThreads, threadsWithPool } from "./threads.js";

/** What is being closed may take a few turns of the event loop; a thread that reads certificates for TLS, longer. */
const PATIENCE_MS = 1000;

/** What stands in the way of forking: of each kind, the names. */
export interface Obstacles {
  /** What keeps the event loop alive, as Node calls it: timers, sockets, requests, worker threads. */
  readonly open: readonly string[];
  readonly threads: readonly string[];
  readonly files: readonly string[];
}

/** Looks, and looks again for a while as long as it finds any. */
export async function lingering(
  own: OwnThreads,
  refusedFiles: () => readonly string[],
  nameThread: (thread: string) => string = nameOf,
): Promise<Obstacles> {
  await threadsWithPool();
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const open = process.getActiveResourcesInfo().filter((name) => name !== "Immediate");
    const threads = foreignThreads(own).map(nameThread);
    const found = { open, threads, files: refusedFiles() };
    if (!Object.values(found).some(({ length }) => length > 0)) return found;
    if (performance.now() > deadline) return found;
    await delay(5);
  }
}

/** In words; empty when there are none. */
export function describeObstacles({ open, threads, files }: Obstacles): string {
  return [
    ...(threads.length > 0 ? [`threads: ${threads.join(", ")}`] : []),
    ...(open.length > 0 ? [`open in the event loop: ${open.join(", ")}`] : []),
    ...(files.length > 0 ? [`open files: ${files.join(", ")}`] : []),
  ].join("; ");
}
