import assert from "node:assert/strict";
import fc from "fast-check";
import { rateOf } from "../../../bench/queue/exchange.js";
import { ItemMaker } from "../../../bench/queue/items.js";
import { Tally } from "../../../bench/queue/tally.js";
import { expectedTotals } from "../../../bench/queue/totals.js";

const size = 20;

function made(count: number, producer = 0): Uint8Array[] {
  return new ItemMaker(producer, size).makeMany(count);
}

function tallyOf(items: readonly Uint8Array[], total = items.length): Tally {
  const tally = new Tally(size, total);
  for (const item of items) tally.add(item);
  return tally;
}

describe("a tally of items", () => {
  it("is what was expected, however the items of several producers are mixed and shared", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(40), { minLength: 1, maxLength: 4 }),
        fc.infiniteStream(fc.nat(3)),
        fc.infiniteStream(fc.boolean()),
        (counts, choices, sides) => {
          const makers = counts.map((_, producer) => new ItemMaker(producer, size));
          const left = [...counts];
          const total = counts.reduce((sum, count) => sum + count, 0);
          const consumers = [new Tally(size, total), new Tally(size, total)] as const;
          while (left.some((count) => count > 0)) {
            const producer = Number(choices.next().value) % counts.length;
            if (left[producer] === 0) continue;
            left[producer] = (left[producer] ?? 0) - 1;
            const item = makers[producer]?.make();
            assert.ok(item);
            consumers[sides.next().value === true ? 1 : 0].add(item);
          }
          const answers = consumers.map((tally) => tally.finish());
          const sum = (key: "count" | "bytes" | "sequences"): number =>
            answers.reduce((all, answer) => all + answer[key], 0);
          assert.deepEqual(
            { count: sum("count"), bytes: sum("bytes"), sequences: sum("sequences") },
            expectedTotals(size, counts),
          );
        },
      ),
    );
  });

  it("refuses an item that is damaged at its end, cut, or out of order", () => {
    const [first, second] = made(2);
    assert.ok(first && second);
    const damaged = Uint8Array.from(first);
    damaged[size - 1] = 77;
    assert.throws(() => tallyOf([damaged]), /damaged/);
    assert.throws(() => tallyOf([first.subarray(0, size - 1)]), /damaged/);
    assert.throws(() => tallyOf([second, first]), /Item 0 of producer 0 came after its item 1/);
    assert.throws(() => tallyOf([first, first]), /came after/);
  });

  it("looks at every byte of the first item", () => {
    for (let index = 5; index < size - 1; index++) {
      const [item] = made(1);
      assert.ok(item);
      item[index] = (item[index] ?? 0) ^ 1;
      assert.throws(() => tallyOf([item]), new RegExp(`damaged at byte ${index}`));
    }
  });

  it("has no last item before the first", () => {
    assert.equal(new Tally(size, 10).finish().last_item_ns, null);
  });

  it("knows when the last of all items came, and is not late when it is asked later", async () => {
    const all = tallyOf(made(5));
    const after = process.hrtime.bigint();
    await new Promise(setImmediate);
    assert.ok(BigInt(all.finish().last_item_ns ?? 0) <= after);
  });

  it("takes the end for the time of the last item when it did not look then", async () => {
    const some = tallyOf(made(5), 100);
    const after = process.hrtime.bigint();
    await new Promise(setImmediate);
    assert.ok(BigInt(some.finish().last_item_ns ?? 0) >= after);
  });
});

describe("the rate of an exchange", () => {
  const produced = [{ first_put_ns: "1000000000", items: 3 }];
  const answer = (items: readonly Uint8Array[], lastNs: string) => ({
    ...tallyOf(items).finish(),
    last_item_ns: lastNs,
  });

  it("is that of all items, from the first put to the last item", () => {
    const two = [{ first_put_ns: "1500000000", items: 1 }, ...produced];
    const [a, b, c] = made(3);
    assert.ok(a && b && c);
    const consumed = [
      answer([a, b], "2000000000"),
      answer([...made(1, 1), c], "3000000000"),
      { ...new Tally(size, 1).finish() },
    ];
    assert.equal(rateOf(size, two, consumed), 2);
  });

  it("is an error when items are missing, or came twice", () => {
    const [a, b, c] = made(3);
    assert.ok(a && b && c);
    assert.throws(() => rateOf(size, produced, [answer([a, b], "2000000000")]), /received/);
    assert.throws(
      () => rateOf(size, produced, [answer([a, b, c], "2"), answer([c], "2000000000")]),
      /received/,
    );
    assert.throws(
      () => rateOf(size, produced, [answer([a, b], "2"), answer([b], "2000000000")]),
      /received/,
    );
  });
});

describe("a maker of items", () => {
  it("makes as many as are asked for, or what there was time for", () => {
    const maker = new ItemMaker(0, size);
    assert.equal([...maker.items(100)].length, 100);
    assert.deepEqual([...maker.items(100, 0)], []);
    assert.equal(maker.made, 100);
  });
});
