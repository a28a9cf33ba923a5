import assert from "node:assert/strict";
import fc from "fast-check";
import { frames } from "../../../client/typescript/queue-frames.js";
import { PutRequest } from "../../../proto/gen/forkbus/v1/queue.js";

const unbounded = { maxItems: Infinity, maxBytes: Infinity };
const never = new AbortController().signal;
const item = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc.integer({ min: 0, max: 1_048_512 }).map((length) => new Uint8Array(length)),
);

async function* later<T>(values: readonly T[]): AsyncGenerator<T, void> {
  for (const value of values) yield await Promise.resolve(value);
}

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const seen: T[] = [];
  for await (const value of values) seen.push(value);
  return seen;
}

describe("Frames", () => {
  it("hold every item once and in order, within the wire's bounds and the queue's", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(item, { maxLength: 30 }),
        fc.integer({ min: 1, max: 10 }),
        fc.integer({ min: 1_048_512, max: 2_000_000 }),
        fc.boolean(),
        async (items, maxItems, maxBytes, slowly) => {
          const source = slowly ? later(items) : items;
          const runs = await all(frames(source, { maxItems, maxBytes }, never));
          assert.deepEqual(runs.flat(), items);
          for (const run of runs) {
            assert.ok(run.length >= 1 && run.length <= maxItems);
            const frame = PutRequest.encode(PutRequest.create({ frame: { items: [...run] } }));
            assert.ok(frame.finish().length <= 1_048_576 + 4);
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it("are few: small items share one", async () => {
    const items = Array.from({ length: 2048 }, () => new Uint8Array(100));
    assert.equal((await all(frames(items, unbounded, never))).length, 2);
  });

  it("hand on an item that fits nowhere alone, for the daemon to refuse", async () => {
    const runs = await all(frames([Uint8Array.of(1), new Uint8Array(2_000_000)], unbounded, never));
    assert.deepEqual(
      runs.map((run) => run.length),
      [1, 1],
    );
  });
});
