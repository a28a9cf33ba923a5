import { setTimeout as delay } from "node:timers/promises";

/** What is being closed may take a few turns of the event loop. */
const PATIENCE_MS = 200;

/**
 * What keeps the event loop of this process alive, by Node's names: timers, sockets, requests, worker threads. Waits a
 * little for it to go.
 */
export async function lingering(): Promise<readonly string[]> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const found = process.getActiveResourcesInfo().filter((name) => name !== "Immediate");
    if (found.length === 0 || performance.now() > deadline) return found;
    await delay(5);
  }
}
