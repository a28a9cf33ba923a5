import assert from "node:assert/strict";
import { waitUntil } from "../../../server/processes/waiting.js";
import { ManualClock } from "../../support/manual-clock.js";
import { settled } from "./fixture.js";

const NEVER = new AbortController().signal;

class Flag {
  isSet = false;
  readonly watchers = new Set<() => void>();

  readonly watched = {
    watch: (onChange: () => void): Disposable => {
      this.watchers.add(onChange);
      return { [Symbol.dispose]: () => this.watchers.delete(onChange) };
    },
    holds: (): boolean => this.isSet,
  };

  set(): void {
    this.isSet = true;
    for (const watcher of this.watchers) watcher();
  }
}

describe("a wait", () => {
  it("ends at once when it holds, or when nothing is to be waited for", async () => {
    const flag = new Flag();
    const clock = new ManualClock();
    assert.equal(await waitUntil(flag.watched, 0, clock, NEVER), false);
    flag.set();
    assert.equal(await waitUntil(flag.watched, null, clock, NEVER), true);
  });

  it("ends when it comes true, when time is up, or when it is cancelled", async () => {
    const flag = new Flag();
    const clock = new ManualClock();
    const cancel = new AbortController();
    const short = waitUntil(flag.watched, 10, clock, NEVER);
    const long = waitUntil(flag.watched, 20, clock, NEVER);
    const endless = waitUntil(flag.watched, null, clock, NEVER);
    const cancelled = waitUntil(flag.watched, null, clock, cancel.signal);
    await clock.advance(10);
    assert.equal(await short, false);
    cancel.abort(new Error("gone"));
    await assert.rejects(cancelled, /gone/);
    flag.set();
    assert.deepEqual(await Promise.all([long, endless]), [true, true]);
    await settled();
    assert.equal(flag.watchers.size, 0, "nobody listens any more");
    await assert.rejects(waitUntil(flag.watched, null, clock, cancel.signal), /gone/);
  });
});
