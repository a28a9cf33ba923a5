import { setTimeout as delay } from "node:timers/promises";

/** Looks every few milliseconds until the condition holds: true, or false when the time is over. */
export async function until(
  condition: () => boolean,
  waitMs?: number,
  signal?: AbortSignal,
): Promise<boolean> {
  const deadline = performance.now() + (waitMs ?? Infinity);
  while (!condition()) {
    if (performance.now() >= deadline) return false;
    await delay(2, undefined, signal === undefined ? {} : { signal });
  }
  return true;
}
