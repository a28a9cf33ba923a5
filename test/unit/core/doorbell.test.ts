import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { Doorbell } from "../../../server/core/doorbell.js";

async function isPending(promise: Promise<void>): Promise<boolean> {
  const open = Symbol("open");
  const turn = new Promise<symbol>((resolve) => {
    setImmediate(resolve, open);
  });
  return (await Promise.race([promise, turn])) === open;
}

describe("a doorbell", () => {
  it("wakes its listener, each time once", async () => {
    const bell = new Doorbell();
    for (let round = 0; round < 3; round++) {
      const waiting = bell.wait();
      assert.ok(await isPending(waiting));
      bell.ring();
      await waiting;
    }
  });

  it("remembers that it rang, and not how often", async () => {
    const bell = new Doorbell();
    bell.ring();
    bell.ring();
    await bell.wait();
    const again = bell.wait();
    assert.ok(await isPending(again));
    bell.ring();
    await again;
  });

  it("gives up a wait with the signal's reason, and hears the next ring", async () => {
    const bell = new Doorbell();
    const leaving = new AbortController();
    const waiting = bell.wait(leaving.signal);
    leaving.abort(new Error("gone"));
    await assert.rejects(waiting, /gone/);
    await assert.rejects(bell.wait(leaving.signal), /gone/);
    const next = bell.wait();
    assert.ok(await isPending(next));
    bell.ring();
    await next;
  });

  it("keeps a ring that came too late for a wait that was given up", async () => {
    const bell = new Doorbell();
    const leaving = new AbortController();
    const waiting = bell.wait(leaving.signal);
    leaving.abort(new Error("gone"));
    bell.ring();
    await assert.rejects(waiting, /gone/);
    await bell.wait();
  });

  it("has one listener at a time, and leaves none on a signal", async () => {
    const bell = new Doorbell();
    const { signal } = new AbortController();
    const first = bell.wait(signal);
    await assert.rejects(bell.wait(), /one listener/);
    assert.equal(getEventListeners(signal, "abort").length, 1);
    bell.ring();
    await first;
    assert.equal(getEventListeners(signal, "abort").length, 0);
  });
});
