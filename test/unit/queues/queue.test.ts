import assert from "node:assert/strict";
import { DomainError } from "../../../server/core/errors.js";
import { Items, NO_ITEMS } from "../../../wire/items.js";
import {
  anything,
  aQueue,
  credit,
  isPending,
  items,
  requireDelivery,
  take,
  texts,
  zeros,
} from "./fixture.js";

const code = (expected: string) => (error: unknown) =>
  error instanceof DomainError && error.code === expected;

describe("a queue", () => {
  it("gives items in the order in which they were put, whatever the batches", async () => {
    const { queue } = aQueue();
    assert.equal(await queue.put(items("a", "b", "c")), 1);
    assert.equal(await queue.put(items("d")), 4);
    assert.deepEqual(take(await queue.get({ items: 2, bytes: 100 })), ["a", "b"]);
    assert.deepEqual(take(await queue.get(anything)), ["c", "d"]);
  });

  it("copies items that are the lesser part of a buffer, so that the rest may be reused", async () => {
    const { queue } = aQueue();
    const before = items("before");
    // As requests come: what is a copy of other bytes may be a view of these.
    const shared = Buffer.alloc(before.encoded.length * 2);
    shared.set(before.encoded, 3);
    const view = shared.subarray(3, 3 + before.encoded.length);
    await queue.put(new Items(view, before.count, before.bytes));
    shared.fill(0);
    assert.deepEqual(take(await queue.get(anything)), ["before"]);
  });

  it("keeps items as they came when the buffer is mostly theirs", async () => {
    const { queue } = aQueue();
    const whole = items("mine");
    await queue.put(whole);
    const { frame } = requireDelivery(await queue.get(anything));
    assert.equal(frame.rows[0]?.encoded.buffer, whole.encoded.buffer);
  });

  it("waits for the first item, and no longer than asked", async () => {
    const { queue, clock } = aQueue();
    const patient = queue.get(anything, { waitMs: 1000 });
    const hasty = await queue.get(anything, { waitMs: 0 });
    assert.deepEqual(hasty, { kind: "none", end: "empty", backlog: 0 });
    await clock.advance(999);
    assert.ok(await isPending(patient));
    await clock.advance(1);
    assert.deepEqual(await patient, { kind: "none", end: "empty", backlog: 0 });
    assert.equal(queue.armedTimers, 0);
  });

  it("waits longer than a timer of 32 bits can", async () => {
    const { queue, clock } = aQueue();
    const patient = queue.get(anything, { waitMs: 2 ** 32 - 1 });
    await clock.advance(2 ** 31 - 1);
    assert.ok(await isPending(patient));
    await clock.advance(2 ** 31 - 1);
    assert.ok(await isPending(patient));
    await clock.advance(1);
    assert.deepEqual(await patient, { kind: "none", end: "empty", backlog: 0 });
  });

  it("stores nothing of a put whose wait has run out, and gives its memory back", async () => {
    const { queue, clock, budget } = aQueue({ maxItems: 2 });
    await queue.put(items("a"));
    const used = budget.usedBytes;
    const late = assert.rejects(queue.put(items("b", "c"), { waitMs: 10 }), code("queue-full"));
    assert.ok(budget.usedBytes > used, "a waiting put counts");
    await clock.advance(10);
    await late;
    assert.equal(budget.usedBytes, used);
    assert.deepEqual(take(await queue.get(anything)), ["a"]);
    assert.equal(budget.usedBytes, 0);
  });

  it("lets nobody overtake a put that waits", async () => {
    const { queue } = aQueue({ maxItems: 2 });
    await queue.put(items("a"));
    const large = queue.put(items("b", "c"));
    await assert.rejects(queue.put(items("d"), { waitMs: 0 }), code("queue-full"));
    const small = queue.put(items("d"));
    assert.deepEqual(take(await queue.get(anything)), ["a"]);
    assert.equal(await large, 2);
    assert.deepEqual(take(await queue.get({ items: 1, bytes: 100 })), ["b"]);
    assert.equal(await small, 4);
  });

  it("gives way to the next when a waiting put gives up", async () => {
    const { queue } = aQueue({ maxItems: 2 });
    await queue.put(items("a"));
    const leaving = new AbortController();
    const large = queue.put(items("b", "c"), { signal: leaving.signal });
    const small = queue.put(items("d"));
    leaving.abort(new Error("gone"));
    await assert.rejects(large, /gone/);
    assert.equal(await small, 2);
  });

  it("refuses a full queue at once when its policy is to reject", async () => {
    const { queue } = aQueue({ maxItems: 1, fullPolicy: "reject" });
    await queue.put(items("a"));
    await assert.rejects(queue.put(items("b"), { waitMs: 1000 }), code("queue-full"));
  });

  it("refuses what it could never hold, without waiting", async () => {
    const { queue, budget } = aQueue({ maxItems: 2, maxBytes: 10 });
    await assert.rejects(queue.put(NO_ITEMS), code("invalid-field"));
    await assert.rejects(queue.put(items("a", "b", "c")), code("invalid-field"));
    await assert.rejects(queue.put(items("123456", "123456")), code("invalid-field"));
    await assert.rejects(queue.put(items("12345678901")), code("item-too-large"));
    assert.equal(budget.usedBytes, 0);
  });

  it("loses no item of a get that was cancelled, before or after the item came", async () => {
    const { queue } = aQueue();
    const leaving = new AbortController();
    const waiting = queue.get(anything, { signal: leaving.signal });
    leaving.abort(new Error("gone"));
    await assert.rejects(waiting, /gone/);
    await queue.put(items("a", "b"));
    requireDelivery(await queue.get({ items: 1, bytes: 100 })).putBack();
    const delivery = requireDelivery(await queue.get(anything));
    assert.deepEqual(texts(delivery.frame), ["a", "b"]);
    delivery.taken();
    delivery.putBack();
    assert.equal(queue.counts().ready, 0, "what is taken cannot be put back");
  });

  it("makes room only when items are taken", async () => {
    const { queue } = aQueue({ maxItems: 1 });
    await queue.put(items("a"));
    const delivery = requireDelivery(await queue.get(anything));
    const next = queue.put(items("b"));
    assert.ok(await isPending(next));
    delivery.taken();
    assert.equal(await next, 2);
  });

  it("ends early where the sequence has a gap", async () => {
    const { queue } = aQueue();
    await queue.put(items("a", "b", "c"));
    const first = requireDelivery(await queue.get({ items: 1, bytes: 9 }));
    const second = requireDelivery(await queue.get({ items: 1, bytes: 9 }));
    first.putBack();
    assert.deepEqual(take(await queue.get(anything)), ["a"]);
    second.putBack();
    assert.deepEqual(take(await queue.get(anything)), ["b", "c"]);
  });

  it("fits every delivery in one frame of a megabyte, and the largest item too", async () => {
    const { queue } = aQueue();
    const large = zeros(1_048_512);
    const half = zeros(524_288);
    const roomy = aQueue().queue;
    await assert.rejects(queue.put(zeros(64 * 1024 * 1024 + 1)), code("item-too-large"));
    await assert.rejects(queue.put(large), code("host-exhausted"));
    await roomy.put(half);
    await assert.rejects(roomy.put(half), code("host-exhausted"));
    assert.equal(requireDelivery(await roomy.get({ items: 9, bytes: 1 })).frame.items, 1);
  });

  describe("shut down", () => {
    it("gracefully gives what is there, refuses puts, and then ends", async () => {
      const { queue } = aQueue({ maxItems: 1 });
      await queue.put(items("a"));
      const waiting = assert.rejects(queue.put(items("b")), code("queue-shut-down"));
      queue.shutdown(false);
      await waiting;
      assert.equal(queue.counts().state, "draining");
      assert.deepEqual(take(await queue.get(anything)), ["a"]);
      assert.equal(queue.counts().state, "shut-down");
      await assert.rejects(queue.get(anything), code("queue-shut-down"));
    });

    it("lets getters wait for items that may still come back", async () => {
      const { queue } = aQueue();
      await queue.put(items("a"));
      const delivery = requireDelivery(await queue.get(anything));
      queue.shutdown(false);
      const waiting = queue.get(anything);
      assert.ok(await isPending(waiting));
      delivery.putBack();
      assert.deepEqual(take(await waiting), ["a"]);
    });

    it("immediately drops all there is, also what was not taken, and wakes everyone", async () => {
      const { queue, budget } = aQueue();
      const subscription = queue.subscribe({
        limits: anything,
        credit: credit(2),
        totalLimit: Infinity,
      });
      await queue.put(items("a", "b", "c"));
      await subscription.next();
      queue.shutdown(false);
      queue.shutdown(true);
      assert.deepEqual(await subscription.next(), { kind: "end", end: "shut-down" });
      assert.equal(subscription.take(2), undefined);
      const { put, dropped, state } = queue.counts();
      assert.deepEqual({ put, dropped, state }, { put: 3, dropped: 3, state: "shut-down" });
      assert.equal(budget.usedBytes, 0);
    });
  });

  it("wakes everyone when it is deleted, and leaves no timer", async () => {
    const { queue, budget } = aQueue({ maxItems: 1 });
    const waitingGet = assert.rejects(queue.get(anything, { waitMs: 50 }), code("queue-deleted"));
    const subscription = queue.subscribe({
      limits: anything,
      credit: credit(1),
      totalLimit: Infinity,
    });
    const step = subscription.next();
    queue.close("deleted");
    await waitingGet;
    assert.deepEqual(await step, { kind: "end", end: "deleted" });
    await assert.rejects(queue.put(items("a")), code("queue-deleted"));
    assert.equal(queue.armedTimers, 0);
    assert.equal(budget.usedBytes, 0);
  });
});
