import assert from "node:assert/strict";
import fc from "fast-check";
import { DomainError } from "../../../server/core/errors.js";
import { ProducerTable } from "../../../server/queues/producer-table.js";
import { Items } from "../../../wire/items.js";
import { anything, aTable, isPending, items, requireDelivery, take, texts } from "./fixture.js";

const code = (expected: string) => (error: unknown) =>
  error instanceof DomainError && error.code === expected;

function aProducerTable() {
  const { table, create, clock, get } = aTable();
  const open = (
    producerId: string | undefined,
    { queue = "q", caller = "uid:1", knownSeq = 0, waitMs = undefined as number | undefined } = {},
  ) => table.produce({ queue, caller, producerId, knownSeq, waitMs });
  return { table, create, clock, get, open };
}

describe("a producer with an id", () => {
  it("goes on where it was, and the stream before it is fenced", async () => {
    const { create, open, get } = aProducerTable();
    create("q", { maxItems: 2 });
    const first = open("p");
    first.producer.put({ firstSeq: 1, items: items("a", "b", "c") });
    const changed = first.producer.changed();
    const second = open("p");
    await changed;
    assert.equal(first.producer.end, "fenced");
    assert.throws(() => {
      first.producer.put({ firstSeq: 0, items: items("x") });
    }, code("producer-fenced"));
    assert.equal(second.producer.nextSeq, 3);
    second.producer.put({ firstSeq: 3, items: items("c") });
    // The end of the fenced stream is no business of the second.
    first[Symbol.dispose]();
    assert.equal(second.producer.end, undefined);
    assert.deepEqual(take(await get("q")), ["a", "b"]);
    assert.deepEqual(take(await get("q")), ["c"]);
    second[Symbol.dispose]();
    assert.equal(open("p").producer.nextSeq, 4);
  });

  it("is another one for another caller, queue or id, and for a queue that was made again", () => {
    const { table, create, open } = aProducerTable();
    create("q");
    create("r");
    open("p").producer.put({ firstSeq: 1, items: items("a") });
    assert.equal(open("other").producer.nextSeq, 1);
    assert.equal(open("p", { caller: "uid:2" }).producer.nextSeq, 1);
    assert.equal(open("p", { queue: "r" }).producer.nextSeq, 1);
    assert.equal(open(undefined).producer.nextSeq, 1);
    assert.equal(open("p").producer.nextSeq, 2);
    table.delete("q");
    assert.throws(() => open("p"), code("queue-not-found"));
    create("q");
    assert.equal(open("p").producer.nextSeq, 1);
  });

  it("is remembered for a minute after its stream, and as long as it is open", async () => {
    const { create, open, clock } = aProducerTable();
    create("q");
    const first = open("p");
    first.producer.put({ firstSeq: 1, items: items("a") });
    await clock.advance(10 * ProducerTable.rememberMs);
    first[Symbol.dispose]();
    await clock.advance(ProducerTable.rememberMs - 1);
    const second = open("p");
    assert.equal(second.producer.nextSeq, 2);
    second[Symbol.dispose]();
    await clock.advance(ProducerTable.rememberMs);
    assert.equal(open("p").producer.nextSeq, 1);
  });

  it("is forgotten after so many others", () => {
    const { create, open } = aProducerTable();
    create("q");
    for (let index = 0; index <= ProducerTable.rememberAtMost; index++) {
      using one = open(`p-${index}`);
      one.producer.put({ firstSeq: 1, items: items("a") });
    }
    assert.equal(open("p-1").producer.nextSeq, 2, "the second is remembered");
    assert.equal(open("p-0").producer.nextSeq, 1, "the first is not");
  });

  it("is forgotten after others with many rejects, which cost more than a place", () => {
    const { create, open } = aProducerTable();
    create("q", { maxBytes: 1 });
    const runs = Array.from({ length: 512 }, () => ["xx", ""]).flat();
    const most = ProducerTable.rememberRejectsAtMost / 512;
    for (let index = 0; index <= most; index++) {
      using one = open(`p-${index}`);
      one.producer.put({ firstSeq: 1, items: items(...runs) });
    }
    assert.equal(open("p-0").producer.nextSeq, 1, "the first is forgotten");
    assert.equal(open("p-9").producer.nextSeq, 1025, "others are not");
  });

  it("ends with its queue, and with the daemon", async () => {
    for (const reason of ["deleted", "stopping"] as const) {
      const { table, create, open } = aProducerTable();
      create("q", { maxItems: 1 });
      const { producer } = open("p");
      producer.put({ firstSeq: 1, items: items("a", "b") });
      await producer.changed();
      const changed = producer.changed();
      assert.ok(await isPending(changed));
      if (reason === "deleted") table.delete("q");
      else table.stop();
      await changed;
      assert.equal(producer.end, reason);
      assert.deepEqual(producer.progress().rejects, []);
      assert.equal(table.usedBytes, 0);
    }
  });

  it("stores each item once however often its stream breaks", async () => {
    const cuts = fc.array(
      fc.record({
        frames: fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 5 }),
        gets: fc.nat(4),
      }),
      { maxLength: 20 },
    );
    await fc.assert(
      fc.asyncProperty(cuts, async (rounds) => {
        const { table, create, open } = aProducerTable();
        create("q", { maxItems: 7 });
        const got: string[] = [];
        const getSome = async (): Promise<void> => {
          const limits = { ...anything, items: 3 };
          const call = { queue: "q", caller: "uid:1", limits, waitMs: 0, requestId: undefined };
          const outcome = await table.get(call);
          if (outcome.kind === "none") return;
          const delivery = requireDelivery(outcome);
          got.push(...texts(delivery.frame));
          delivery.taken();
        };
        let accepted = 0;
        for (const { frames, gets } of rounds) {
          using stream = open("p", { knownSeq: accepted });
          const { producer } = stream;
          assert.equal(producer.nextSeq, accepted + 1);
          for (const count of frames) {
            const first = producer.nextSeq;
            const run = Array.from({ length: count }, (_, index) => String(first + index));
            producer.put({
              firstSeq: first,
              items: Items.of(run.map((text) => Buffer.from(text))),
            });
          }
          for (let n = 0; n < gets; n++) await getSome();
          accepted = producer.progress().acceptedSeq;
        }
        while (table.view("q").counts.ready > 0) await getSome();
        const expected = Array.from({ length: accepted }, (_, index) => String(index + 1));
        assert.deepEqual(got, expected);
        assert.equal(table.usedBytes, 0);
      }),
    );
  });
});
