import assert from "node:assert/strict";
import { DomainError } from "../../../server/core/errors.js";
import { anything, aQueue, credit, isPending, items, take, texts } from "./fixture.js";

const code = (expected: string) => (error: unknown) =>
  error instanceof DomainError && error.code === expected;

describe("a subscription", () => {
  it("is sent no more than it may hold untaken, and goes on when it takes", async () => {
    const { queue } = aQueue();
    const subscription = queue.subscribe({
      limits: { items: 2, bytes: 100 },
      credit: credit(3),
      totalLimit: Infinity,
    });
    await queue.put(items("a", "b", "c", "d", "e"));
    const seen: string[] = [];
    const next = async (): Promise<void> => {
      const step = await subscription.next();
      if (step.kind === "frame") seen.push(texts(step.frame).join(""));
    };
    await next();
    await next();
    assert.deepEqual(seen, ["ab", "c"]);
    const third = next();
    assert.ok(await isPending(third));
    assert.equal(subscription.take(1), 1);
    assert.ok(await isPending(third), "taking alone gives no credit");
    subscription.grant(credit(4));
    await third;
    assert.deepEqual(seen, ["ab", "c", "d"]);
    assert.equal(queue.counts().untaken, 3);
  });

  it("gives back what was untaken, in its old place", async () => {
    const { queue } = aQueue();
    await queue.put(items("a", "b", "c", "d"));
    const options = { limits: { items: 2, bytes: 9 }, credit: credit(2), totalLimit: Infinity };
    const one = queue.subscribe(options);
    const other = queue.subscribe(options);
    await one.next();
    await other.next();
    one.take(1);
    one[Symbol.dispose]();
    other[Symbol.dispose]();
    assert.deepEqual(take(await queue.get(anything)), ["b", "c", "d"]);
  });

  it("refuses to take more than was sent, and takes nothing twice", async () => {
    const { queue } = aQueue();
    await queue.put(items("a", "b"));
    using subscription = queue.subscribe({
      limits: anything,
      credit: credit(9),
      totalLimit: Infinity,
    });
    await subscription.next();
    assert.throws(() => subscription.take(3), code("invalid-field"));
    assert.equal(subscription.take(2), 2);
    assert.equal(subscription.take(1), 2);
    assert.equal(queue.counts().acked, 2);
  });

  it("ends when its limit has been taken, and answers the last take again", async () => {
    const { queue } = aQueue();
    await queue.put(items("a", "b", "c"));
    const subscription = queue.subscribe({ limits: anything, credit: credit(9), totalLimit: 2 });
    await subscription.next();
    const end = subscription.next();
    assert.ok(await isPending(end));
    assert.equal(subscription.take(2), 2);
    assert.deepEqual(await end, { kind: "end", end: "limit" });
    assert.equal(subscription.take(2), 2);
    assert.deepEqual(take(await queue.get(anything)), ["c"]);
  });

  it("loses nothing when it is cancelled while it waits", async () => {
    const { queue } = aQueue();
    const subscription = queue.subscribe({
      limits: anything,
      credit: credit(9),
      totalLimit: Infinity,
    });
    const leaving = new AbortController();
    const step = subscription.next(leaving.signal);
    leaving.abort(new Error("gone"));
    await assert.rejects(step, /gone/);
    await queue.put(items("a"));
    subscription[Symbol.dispose]();
    assert.deepEqual(take(await queue.get(anything)), ["a"]);
    assert.equal(queue.counts().consumers, 0);
  });

  it("takes turns with others", async () => {
    const { queue } = aQueue();
    const options = { limits: { items: 1, bytes: 9 }, credit: credit(9), totalLimit: Infinity };
    const both = [queue.subscribe(options), queue.subscribe(options)];
    await queue.put(items("a", "b", "c", "d"));
    const got: string[] = [];
    for (const index of [0, 1, 0, 1]) {
      const step = await both[index]?.next();
      if (step?.kind === "frame") got.push(texts(step.frame).join(""));
    }
    assert.deepEqual(got, ["a", "b", "c", "d"]);
  });
});
