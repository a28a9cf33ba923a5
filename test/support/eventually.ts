import { setTimeout as delay } from "node:timers/promises";

/** A machine that is emulated takes many times as long for everything. */
const patience = Number(process.env["FORKBUS_TEST_PATIENCE"] ?? "1");

/**
 * Waits for a condition: asks again and again until it holds, and fails with what was last seen when
 * it has not held in time. The deadline is for bugs, not for slowness.
 */
export async function eventually<T>(
  look: () => T | Promise<T>,
  holds: (seen: T) => boolean,
  { withinMs = 20_000, what = "the condition" }: { withinMs?: number; what?: string } = {},
): Promise<T> {
  const deadline = performance.now() + withinMs * patience;
  for (let pauseMs = 2; ; pauseMs = Math.min(pauseMs * 2, 100)) {
    const seen = await look();
    if (holds(seen)) return seen;
    if (performance.now() > deadline) {
      throw new Error(
        `Waited ${withinMs * patience} ms for ${what}; last seen: ${JSON.stringify(seen, (_key, part: unknown) => (typeof part === "bigint" ? String(part) : part))}`,
      );
    }
    await delay(pauseMs);
  }
}
