import assert from "node:assert/strict";
import { DomainError } from "../../../server/core/errors.js";
import { Producer } from "../../../server/queues/producer.js";
import { type Items } from "../../../wire/items.js";
import { aProducer, items, rejectsOf, zeros } from "./fixture.js";

const code = (expected: string) => (error: unknown) =>
  error instanceof DomainError && error.code === expected;

describe("an item in parts", () => {
  it("is stored when its last part has come, and counts once", async () => {
    const { producer, put, putPart, get, queue } = aProducer();
    put(items("a"));
    putPart(0, 5, items("he"));
    putPart(2, 5, items("l"));
    assert.equal(queue.counts().put, 1);
    putPart(3, 5, items("lo"));
    put(items("b"), 3);
    assert.equal(producer.progress().acceptedSeq, 3);
    assert.deepEqual(await get(), ["a", "hello", "b"]);
  });

  const wrongs: readonly (readonly [string, number, number, Items])[] = [
    ["a gap", 3, 5, items("l")],
    ["an overlap", 1, 5, items("l")],
    ["another size", 2, 6, items("l")],
    ["more than the item has", 2, 5, items("long")],
  ];
  for (const [what, offset, itemBytes, piece] of wrongs) {
    it(`refuses ${what}`, () => {
      const { putPart, queue } = aProducer();
      putPart(0, 5, items("he"));
      assert.throws(() => {
        putPart(offset, itemBytes, piece);
      }, code("part-out-of-order"));
      assert.equal(queue.counts().put, 0);
    });
  }

  it("refuses another frame in between, several items in a part, and an empty part", () => {
    const { put, putPart } = aProducer();
    putPart(0, 5, items("he"));
    assert.throws(() => {
      put(items("x"));
    }, code("part-out-of-order"));
    for (const wrong of [items("l", "lo"), items("")]) {
      assert.throws(() => {
        putPart(2, 5, wrong);
      }, code("invalid-field"));
    }
  });

  it("is passed over and rejected with its last part when there is no place for it", () => {
    for (const [itemBytes, error] of [
      [2_000_000, "host-exhausted"],
      [65 * 1024 * 1024, "item-too-large"],
    ] as const) {
      const { producer, putPart, put, budget } = aProducer();
      const half = itemBytes / 2;
      putPart(0, itemBytes, zeros(half));
      assert.deepEqual(rejectsOf(producer.progress()), []);
      putPart(half, itemBytes, zeros(half));
      const progress = producer.progress();
      assert.deepEqual([progress.acceptedSeq, rejectsOf(progress)], [1, [`1-1 ${error}`]]);
      put(items("b"));
      assert.equal(producer.progress().acceptedSeq, 2);
      assert.ok(budget.usedBytes < 1000);
    }
  });

  it("takes its memory at once, and gives it back when the stream ends before", () => {
    const { producer, putPart, budget } = aProducer();
    putPart(0, 500_000, items("x"));
    assert.ok(budget.usedBytes >= 500_000);
    producer[Symbol.dispose]();
    assert.equal(budget.usedBytes, 0);
  });

  it("may be larger than the window, whatever becomes of it", () => {
    const { producer, putPart } = aProducer();
    const size = 3 * Producer.windowBytes;
    const piece = zeros(Producer.windowBytes / 4);
    const rejects: string[] = [];
    for (let offset = 0; offset < size; offset += piece.bytes) {
      putPart(offset, size, piece);
      rejects.push(...rejectsOf(producer.progress()));
    }
    assert.deepEqual(rejects, ["1-1 host-exhausted"]);
  });
});
