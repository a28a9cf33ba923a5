import assert from "node:assert/strict";
import { DomainError } from "../../../server/core/errors.js";
import { ProducerPlace } from "../../../server/queues/producer-place.js";
import { Producer } from "../../../server/queues/producer.js";
import { Items, NO_ITEMS } from "../../../wire/items.js";
import { anything, aProducer, isPending, items, rejectsOf, take, zeros } from "./fixture.js";

const code = (expected: string) => (error: unknown) =>
  error instanceof DomainError && error.code === expected;

const many = (count: number) => Items.of(Array.from({ length: count }, () => new Uint8Array(0)));

describe("a producer", () => {
  it("stores frame after frame in order, and says how far it is", async () => {
    const { producer, put, get, queue } = aProducer();
    assert.equal(producer.nextSeq, 1);
    put(items("a", "b"), 1);
    put(items("c"));
    put(items("d"), 4);
    assert.equal(producer.progress().acceptedSeq, 4);
    assert.equal(producer.nextSeq, 5);
    assert.ok(producer.idle);
    assert.equal(queue.counts().producers, 1);
    assert.deepEqual(await get(), ["a", "b", "c", "d"]);
  });

  it("refuses a sequence other than the next, and a frame without items", () => {
    const { producer, put } = aProducer();
    put(items("a"));
    for (const wrong of [1, 3]) {
      assert.throws(() => {
        put(items("b"), wrong);
      }, code("invalid-field"));
    }
    assert.throws(() => {
      put(NO_ITEMS);
    }, code("invalid-field"));
    assert.equal(producer.progress().acceptedSeq, 1);
  });

  it("stores what there is room for, item by item, and the rest as room comes", async () => {
    const { producer, put, get, queue } = aProducer({ maxItems: 3 });
    put(items("a", "b", "c", "d", "e"));
    put(items("f"));
    assert.equal(producer.progress().acceptedSeq, 3);
    assert.ok(!producer.idle);
    assert.equal(queue.counts().waitingPuts, 2);
    assert.deepEqual(await get(), ["a", "b", "c"]);
    const { acceptedSeq, rejects } = producer.progress();
    assert.deepEqual([acceptedSeq, rejects], [6, []]);
    assert.deepEqual(await get(), ["d", "e", "f"]);
  });

  it("stands in the line of putters, and is overtaken by none", async () => {
    const { producer, put, queue, get } = aProducer({ maxItems: 2 });
    put(items("a", "b", "c"));
    await assert.rejects(queue.put(items("x"), { waitMs: 0 }), code("queue-full"));
    const other = queue.put(items("x"));
    put(items("d"));
    assert.deepEqual(await get(), ["a", "b"]);
    assert.equal(await other, 4);
    assert.equal(producer.progress().acceptedSeq, 3);
    assert.deepEqual(await get(), ["c", "x"]);
    assert.equal(producer.progress().acceptedSeq, 4);
  });

  it("rejects what finds no room in time, and goes on", async () => {
    const { producer, put, clock, get, budget } = aProducer({ maxItems: 2 }, 10);
    put(items("a", "b", "c", "d"));
    put(items("e"));
    await clock.advance(9);
    assert.deepEqual(rejectsOf(producer.progress()), []);
    await clock.advance(1);
    const progress = producer.progress();
    assert.deepEqual(rejectsOf(progress), ["3-5 queue-full"], "what follows is one run");
    assert.equal(progress.acceptedSeq, 5);
    assert.deepEqual(rejectsOf(producer.progress()), [], "each is told once");
    assert.deepEqual(await get(), ["a", "b"]);
    assert.equal(budget.usedBytes, 0);
    put(items("f"), 6);
    assert.equal(producer.progress().acceptedSeq, 6);
  });

  it("never waits where the queue's policy is to reject, or without time", () => {
    for (const [spec, waitMs] of [
      [{ maxItems: 1, fullPolicy: "reject" }, undefined],
      [{ maxItems: 1 }, 0],
    ] as const) {
      const { producer, put } = aProducer(spec, waitMs);
      put(items("a", "b"));
      assert.deepEqual(rejectsOf(producer.progress()), ["2-2 queue-full"]);
      assert.ok(producer.idle);
    }
  });

  it("rejects an item that the queue can never hold alone", async () => {
    const { producer, put, get } = aProducer({ maxBytes: 10 });
    put(items("a", "12345678901", "123456", "b"));
    assert.deepEqual(rejectsOf(producer.progress()), ["2-2 item-too-large"]);
    assert.deepEqual(await get(), ["a", "123456", "b"]);
  });

  it("tells of a reject only when all before it is settled", async () => {
    const { producer, put, get } = aProducer({ maxItems: 1, maxBytes: 10 });
    put(items("a", "b"));
    put(items("12345678901"));
    put(items("c"));
    assert.deepEqual(rejectsOf(producer.progress()), []);
    assert.equal(producer.progress().acceptedSeq, 1);
    await get();
    const progress = producer.progress();
    assert.deepEqual([progress.acceptedSeq, rejectsOf(progress)], [3, ["3-3 item-too-large"]]);
  });

  it("tells of many rejects in several answers, each before it is covered by what is accepted", async () => {
    const { producer, put } = aProducer({ maxBytes: 3 });
    const rounds = 4;
    const mixed = Array.from({ length: 1024 }, (_, index) => "x".repeat(index % 2 === 0 ? 4 : 0));
    for (let round = 0; round < rounds; round++) put(items(...mixed));
    let told = 0;
    for (let answer = 0; answer < (rounds * 512) / Producer.rejectsAtOnce; answer++) {
      await producer.changed();
      assert.ok(!producer.idle);
      const { acceptedSeq, rejects } = producer.progress();
      told += rejects.length;
      assert.ok(rejects.length <= Producer.rejectsAtOnce);
      assert.equal(Math.ceil(acceptedSeq / 2), told, "no reject is covered before it is told");
    }
    assert.equal(told, rounds * 512);
    assert.ok(producer.idle);
    assert.equal(producer.progress().acceptedSeq, rounds * 1024);
  });

  it("rejects what there is no memory for, and stores what comes when there is again", async () => {
    const { producer, put, queue, budget } = aProducer();
    put(zeros(600_000));
    put(zeros(600_000));
    put(items("small"));
    const progress = producer.progress();
    assert.deepEqual(rejectsOf(progress), ["2-2 host-exhausted"]);
    assert.equal(progress.acceptedSeq, 3);
    take(await queue.get(anything));
    put(zeros(600_000));
    assert.equal(producer.progress().acceptedSeq, 4);
    take(await queue.get(anything));
    assert.equal(budget.usedBytes, 0);
  });

  it("rejects what waits when the queue is shut down, and all that comes after", async () => {
    const { producer, put, queue, get } = aProducer({ maxItems: 1 });
    put(items("a", "b"));
    queue.shutdown(false);
    put(items("c"));
    assert.deepEqual(rejectsOf(producer.progress()), ["2-3 queue-shut-down"]);
    assert.equal(producer.end, undefined);
    assert.deepEqual(await get(), ["a"]);
  });

  it("wakes its listener at progress and at the end", async () => {
    const { producer, put, queue } = aProducer({ maxItems: 1 });
    put(items("a"));
    await producer.changed();
    put(items("b"));
    const changed = producer.changed();
    assert.ok(await isPending(changed));
    take(await queue.get(anything));
    await changed;
    const ended = producer.changed();
    queue.close("deleted");
    await ended;
    assert.equal(producer.end, "deleted");
  });
});

describe("the window of a producer", () => {
  it("holds so many items, and does not move while progress is not read", () => {
    const { producer, put, queue } = aProducer();
    put(many(Producer.windowItems));
    assert.throws(() => {
      put(items("x"));
    }, code("window-exceeded"));
    assert.equal(queue.counts().put, Producer.windowItems);
    assert.equal(producer.progress().windowSeq, 2 * Producer.windowItems);
    put(items("x"));
    assert.equal(producer.progress().acceptedSeq, Producer.windowItems + 1);
  });

  it("is measured from what is settled", async () => {
    const { producer, put, queue } = aProducer({ maxItems: 10 });
    put(many(Producer.windowItems));
    assert.equal(producer.progress().windowSeq, 10 + Producer.windowItems);
    assert.throws(() => {
      put(many(11));
    }, code("window-exceeded"));
    put(many(10));
    take(await queue.get(anything));
    assert.equal(producer.progress().windowSeq, 20 + Producer.windowItems);
  });

  it("holds so many bytes, which the last frame may go beyond", () => {
    const { producer, put } = aProducer({ maxItems: 1, maxBytes: 1_000 });
    const large = Producer.windowBytes / 4;
    put(items("a", "waits"));
    for (let sent = 6; sent < Producer.windowBytes; sent += large) put(zeros(large));
    assert.throws(() => {
      put(items("x"));
    }, code("window-exceeded"));
    const { windowBytes, acceptedSeq } = producer.progress();
    assert.equal(acceptedSeq, 1, "what is too large for the queue waits for its turn to be told");
    assert.ok(windowBytes > Producer.windowBytes);
    put(items("x"));
  });
});

describe("a producer that ends", () => {
  it("gives up what waits, and keeps what is stored", async () => {
    const { producer, put, queue, budget, get, place } = aProducer({ maxItems: 1 });
    put(items("a", "b"));
    put(items("c"));
    producer[Symbol.dispose]();
    producer[Symbol.dispose]();
    const { waitingPuts, producers, put: stored } = queue.counts();
    assert.deepEqual(
      { waitingPuts, producers, stored },
      { waitingPuts: 0, producers: 0, stored: 1 },
    );
    assert.deepEqual(await get(), ["a"]);
    assert.equal(budget.usedBytes, 0);
    assert.equal(place.acceptedSeq, 1);
    assert.throws(() => {
      put(items("d"));
    }, code("producer-fenced"));
  });

  it("goes on in its next stream with the item after the last that was accepted", async () => {
    const { producer, put, open, get } = aProducer({ maxItems: 2 });
    put(items("a", "b", "c"));
    producer.finish("fenced");
    assert.equal(producer.end, "fenced");
    assert.throws(() => {
      put(items("x"));
    }, code("producer-fenced"));
    const next = open();
    assert.equal(next.nextSeq, 3);
    next.put({ firstSeq: 3, items: items("c") });
    assert.deepEqual(await get(), ["a", "b"]);
    assert.deepEqual(await get(), ["c"]);
  });

  it("is told again what was rejected after what it knows", () => {
    const { put, open, producer } = aProducer({ maxBytes: 3 });
    put(items("a", "long", "long", "b", "long"));
    producer[Symbol.dispose]();
    assert.deepEqual(rejectsOf(open(0).progress()), ["2-3 item-too-large", "5-5 item-too-large"]);
    assert.deepEqual(rejectsOf(open(2).progress()), ["3-3 item-too-large", "5-5 item-too-large"]);
    assert.deepEqual(rejectsOf(open(5).progress()), []);
  });

  it("is not told of rejects of items that it has to send again", async () => {
    const { put, open, producer, get } = aProducer({ maxItems: 1, maxBytes: 3 });
    put(items("a", "b", "long"));
    producer[Symbol.dispose]();
    const next = open();
    assert.deepEqual([next.nextSeq, rejectsOf(next.progress())], [2, []]);
    await get();
    next.put({ firstSeq: 2, items: items("b", "long") });
    assert.deepEqual(rejectsOf(next.progress()), ["3-3 item-too-large"]);
  });

  it("cannot go on when what was rejected is not remembered", () => {
    const { producer, put, open } = aProducer({ maxBytes: 3 });
    for (let run = 0; run <= ProducerPlace.rememberedRejects; run++) put(items("", "long"));
    producer[Symbol.dispose]();
    assert.throws(() => open(1), code("resume-expired"));
    const told = open(2).progress().rejects;
    assert.equal(told.length, ProducerPlace.rememberedRejects);
  });
});
