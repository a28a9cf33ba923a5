import { type Clock } from "../core/clock.js";

/** A timer of Node that is set to more fires at once. */
const LONGEST_TIMER_MS = 0x7fff_ffff;

/**
 * CLOCK_MONOTONIC counts from the boot of the host, for every process alike: a time that one daemon
 * wrote down means the same to the next one, until the host is restarted.
 */
export const systemClock: Clock = {
  now: () => Number(process.hrtime.bigint() / 1000n) / 1000,
  wallTime: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const onAbort = (): void => {
        clearTimeout(timer);
        reject(signal?.reason as Error);
      };
      const arm = (leftMs: number): NodeJS.Timeout =>
        setTimeout(
          () => {
            if (leftMs > LONGEST_TIMER_MS) {
              timer = arm(leftMs - LONGEST_TIMER_MS);
              return;
            }
            signal?.removeEventListener("abort", onAbort);
            resolve();
          },
          Math.min(leftMs, LONGEST_TIMER_MS),
        );
      let timer = arm(ms);
      signal?.addEventListener("abort", onAbort, { once: true });
    }),
};
