import assert from "node:assert/strict";
import { deferred } from "../../../server/core/deferred.js";
import { merge } from "../../../server/core/merge.js";

async function* counting(from: number, to: number, onReturn: () => void): AsyncIterable<number> {
  try {
    for (let value = from; value < to; value++) {
      await Promise.resolve();
      yield value;
    }
  } finally {
    onReturn();
  }
}

describe("merged streams", () => {
  it("have every value once, in order within each source", async () => {
    let returned = 0;
    const seen: number[] = [];
    const sources = [0, 100, 200].map((from) => counting(from, from + 20, () => returned++));
    for await (const value of merge(sources)) seen.push(value);
    assert.equal(seen.length, 60);
    for (const from of [0, 100, 200]) {
      const ofSource = seen.filter((value) => value >= from && value < from + 100);
      assert.deepEqual(
        ofSource,
        Array.from({ length: 20 }, (_, index) => from + index),
      );
    }
    assert.equal(returned, 3);
  });

  it("return every source when they are left early or one fails", async () => {
    const returned = deferred();
    const left = merge([counting(0, 9, returned.resolve)]);
    for await (const value of left) if (value === 2) break;
    await returned.promise;

    const other = deferred();
    async function* failing(): AsyncIterable<number> {
      yield 1;
      await Promise.reject(new Error("broken"));
    }
    await assert.rejects(async () => {
      for await (const value of merge([failing(), counting(0, 1e9, other.resolve)]))
        assert.ok(value >= 0);
    }, /broken/);
    await other.promise;
  });
});
