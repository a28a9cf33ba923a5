import assert from "node:assert/strict";
import fc from "fast-check";
import { type Listed, PAGE_CHARACTERS, pageOf } from "../../../server/core/page.js";

function listed(sizes: readonly number[]): readonly Listed<number>[] {
  return sizes.map((size, item) => ({ name: `n${item}`, item, size }));
}

describe("a page of a list", () => {
  it("has at most as many as were asked for, and says where the next begins", () => {
    const found = listed([1, 1, 1]);
    assert.deepEqual(pageOf(found, 2), { items: [0, 1], lastName: "n1" });
    assert.deepEqual(pageOf(found, 3), { items: [0, 1, 2], lastName: null });
    assert.deepEqual(pageOf([], 3), { items: [], lastName: null });
  });

  it("has fewer that are large, and one that is too large alone", () => {
    const half = PAGE_CHARACTERS / 2;
    assert.deepEqual(pageOf(listed([half, half, 1]), 9), { items: [0, 1], lastName: "n1" });
    assert.deepEqual(pageOf(listed([3 * half, 1]), 9), { items: [0], lastName: "n0" });
  });

  it("leads to all of them, one page after the other", () => {
    const size = fc.oneof(fc.nat(10), fc.nat(2 * PAGE_CHARACTERS));
    fc.assert(
      fc.property(fc.array(size), fc.integer({ min: 1, max: 5 }), (sizes, count) => {
        const all = listed(sizes);
        const seen: number[] = [];
        for (let after: string | null = ""; after !== null;) {
          const begin: number = all.findIndex(({ name }) => name === after) + 1;
          const page = pageOf(all.slice(begin), count);
          const bytes = page.items.reduce((sum, item) => sum + (sizes[item] ?? 0), 0);
          assert.ok(page.items.length === 1 || bytes <= PAGE_CHARACTERS || all.length === 0);
          seen.push(...page.items);
          after = page.lastName;
        }
        assert.deepEqual(
          seen,
          all.map(({ item }) => item),
        );
      }),
    );
  });
});
