import assert from "node:assert/strict";
import fc from "fast-check";
import { action, spec } from "./queue-action.js";
import { SideBySide } from "./side-by-side.js";

describe("the queue core", () => {
  it("does in every history what the model does", function () {
    this.timeout(60_000);
    fc.assert(
      fc.property(spec, fc.array(action, { maxLength: 120, size: "max" }), (queueSpec, actions) => {
        const both = new SideBySide(queueSpec);
        for (const step of actions) both.act(step);
      }),
      { numRuns: 1000 },
    );
  });

  it("delivers every item once when takers come and go, whoever dies", function () {
    this.timeout(60_000);
    const calm = action.filter(({ kind }) => kind !== "shutdown" && kind !== "close");
    fc.assert(
      fc.property(spec, fc.array(calm, { maxLength: 120, size: "max" }), (queueSpec, actions) => {
        const both = new SideBySide(queueSpec);
        for (const step of actions) both.act(step);
        for (const party of both.model.takers.keys()) both.act({ kind: "release", which: party });
        while (both.model.takers.size > 0) both.act({ kind: "release", which: 0 });
        while (both.model.put > both.takenSeqs.length || both.model.putters.length > 0) {
          both.act({ kind: "get", items: 1000, bytes: 1000, waitMs: undefined });
          while (both.model.takers.size > 0) both.act({ kind: "take", which: 0, share: 1 });
        }
        const seqs = [...both.takenSeqs].sort((a, b) => a - b);
        assert.deepEqual(
          seqs,
          Array.from({ length: both.model.put }, (_, index) => index + 1),
        );
        assert.equal(both.inUse, 0, "an empty queue uses no memory");
      }),
      { numRuns: 300 },
    );
  });
});
