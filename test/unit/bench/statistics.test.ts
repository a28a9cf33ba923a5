import assert from "node:assert/strict";
import fc from "fast-check";
import { median, percentile } from "../../../bench/harness/statistics.js";

const samples = fc.array(fc.double({ noNaN: true }), { minLength: 1, maxLength: 300 });

describe("percentiles", () => {
  it("are nearest ranks", () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    assert.equal(percentile(hundred, 50), 50);
    assert.equal(percentile(hundred, 99), 99);
    assert.equal(percentile(hundred, 100), 100);
    assert.equal(percentile(hundred, 0), 1);
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([10]), 10);
  });

  it("are samples that so many of all do not exceed, and no smaller sample is", () => {
    fc.assert(
      fc.property(samples, fc.integer({ min: 1, max: 100 }), (all, percent) => {
        const value = percentile(all, percent);
        const share = (bound: (sample: number) => boolean): number =>
          (all.filter(bound).length * 100) / all.length;
        assert.ok(all.includes(value));
        assert.ok(share((sample) => sample <= value) >= percent);
        assert.ok(share((sample) => sample < value) < percent);
      }),
    );
  });

  it("of nothing are not a number", () => {
    assert.ok(Number.isNaN(percentile([], 50)));
  });

  it("leave the samples in their order", () => {
    const all = [3, 1, 2];
    percentile(all, 99);
    assert.deepEqual(all, [3, 1, 2]);
  });
});
