import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { systemClock } from "../../../server/kernel/system-clock.js";

const LONGEST_TIMER_MS = 0x7fff_ffff;

/** Stands in for the timers of Node: nothing fires before the test says so. */
class Timers implements Disposable {
  readonly delays: number[] = [];
  fire = (): void => undefined;
  readonly #setTimeout = globalThis.setTimeout;

  constructor() {
    const fake = (callback: () => void, ms?: number): NodeJS.Timeout => {
      this.delays.push(ms ?? 0);
      this.fire = callback;
      const timer = this.#setTimeout(() => undefined, 0);
      return timer;
    };
    globalThis.setTimeout = Object.assign(fake, this.#setTimeout);
  }

  [Symbol.dispose](): void {
    globalThis.setTimeout = this.#setTimeout;
  }
}

describe("the system's clock", () => {
  it("never goes back, and has fractions of milliseconds", () => {
    let last = systemClock.now();
    let fractions = 0;
    for (let round = 0; round < 1000; round++) {
      const now = systemClock.now();
      assert.ok(now >= last);
      if (!Number.isInteger(now)) fractions++;
      last = now;
    }
    assert.ok(fractions > 0);
  });

  it("counts from the boot of the host, as every process does", () => {
    const before = Number(process.hrtime.bigint()) / 1e6;
    const now = systemClock.now();
    assert.ok(now >= before - 0.001 && now <= Number(process.hrtime.bigint()) / 1e6);
    assert.ok(Math.abs(systemClock.wallTime() - Date.now()) < 60_000);
  });

  it("wakes who sleeps, and listens to the signal no longer", async () => {
    const { signal } = new AbortController();
    await systemClock.sleep(0);
    await systemClock.sleep(1, signal);
    assert.equal(getEventListeners(signal, "abort").length, 0);
  });

  it("is cancelled with the signal's reason, before and meanwhile", async () => {
    const cancel = new AbortController();
    const sleeping = systemClock.sleep(3_600_000, cancel.signal);
    const reason = new Error("enough");
    cancel.abort(reason);
    await assert.rejects(sleeping, (error) => error === reason);
    await assert.rejects(systemClock.sleep(0, cancel.signal), (error) => error === reason);
    assert.equal(getEventListeners(cancel.signal, "abort").length, 0);
  });

  it("sleeps longer than a timer of Node can", async () => {
    let isAwake = false;
    using timers = new Timers();
    const sleeping = systemClock.sleep(2 * LONGEST_TIMER_MS + 5).then(() => {
      isAwake = true;
    });
    for (const delays of [[LONGEST_TIMER_MS], [LONGEST_TIMER_MS, LONGEST_TIMER_MS]]) {
      assert.deepEqual(timers.delays, delays);
      timers.fire();
      await Promise.resolve();
      assert.equal(isAwake, false);
    }
    assert.deepEqual(timers.delays, [LONGEST_TIMER_MS, LONGEST_TIMER_MS, 5]);
    timers.fire();
    await sleeping;
  });
});
