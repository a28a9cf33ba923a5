import assert from "node:assert/strict";
import fc from "fast-check";
import type { ProcessUid } from "../../../server/core/ids.js";
import {
  MAX_EXPIRED_NAMES,
  MAX_RETAINED_BYTES,
  Retention,
} from "../../../server/processes/retention.js";
import { uidOf } from "./fixture.js";

const ALL = (): boolean => true;

function due(
  retention: Retention,
  nowMs: number,
  mayGo: (uid: ProcessUid) => boolean = ALL,
): number {
  return Number(`0x${retention.due(nowMs, mayGo) ?? "0"}`);
}

describe("retention", () => {
  it("lets the oldest go when there are too many", () => {
    const retention = new Retention({ maxRecords: 2, maxAgeMs: 1000 });
    for (const n of [1, 2]) retention.noteEnded(uidOf(n), n, 0);
    assert.equal(due(retention, 2), 0);
    retention.noteEnded(uidOf(3), 3, 0);
    assert.equal(due(retention, 3), 1);
    retention.noteRemoved(uidOf(1));
    assert.equal(due(retention, 3), 0);
  });

  it("lets the oldest go when they take up too much together", () => {
    const retention = new Retention({ maxRecords: 100, maxAgeMs: 1000 });
    retention.noteEnded(uidOf(1), 0, MAX_RETAINED_BYTES / 2);
    retention.noteEnded(uidOf(2), 0, MAX_RETAINED_BYTES / 2);
    retention.noteEnded(uidOf(2), 0, MAX_RETAINED_BYTES / 2);
    assert.equal(due(retention, 0), 0, "noted twice, counted once");
    retention.noteEnded(uidOf(3), 0, 1);
    assert.equal(due(retention, 0), 1);
    retention.noteRemoved(uidOf(1));
    retention.noteRemoved(uidOf(1));
    assert.equal(due(retention, 0), 0);
  });

  it("lets go by age, and says when that will be", () => {
    const retention = new Retention({ maxRecords: 100, maxAgeMs: 1000 });
    assert.equal(retention.nextDueMs(0), undefined);
    retention.noteEnded(uidOf(1), 10, 0);
    retention.noteEnded(uidOf(2), 20, 0);
    assert.equal(retention.nextDueMs(20), 1010);
    assert.equal(due(retention, 1009), 0);
    assert.equal(due(retention, 1010), 1);
    assert.equal(due(retention, 1020), 1);
    assert.equal(
      due(retention, 1020, (uid) => uid !== uidOf(1)),
      2,
    );
    assert.equal(
      due(retention, 1019, (uid) => uid !== uidOf(1)),
      0,
    );
  });

  it("says when the next will be due behind those that may not go yet", () => {
    const retention = new Retention({ maxRecords: 100, maxAgeMs: 1000 });
    retention.noteEnded(uidOf(1), 10, 0);
    retention.noteEnded(uidOf(2), 20, 0);
    assert.equal(retention.nextDueMs(1010), 1020);
    assert.equal(retention.nextDueMs(1020), undefined);
  });

  it("passes over those that may not go, and counts them", () => {
    const retention = new Retention({ maxRecords: 2, maxAgeMs: 1000 });
    for (const n of [1, 2, 3, 4]) retention.noteEnded(uidOf(n), 0, 0);
    assert.equal(
      due(retention, 0, (uid) => uid !== uidOf(1)),
      2,
    );
    assert.equal(
      due(retention, 0, (uid) => uid === uidOf(3)),
      0,
      "two may stay",
    );
  });

  it("never keeps more than it may, and what it keeps are the youngest", () => {
    const end = fc.record({
      afterMs: fc.nat(50),
      bytes: fc.nat(Math.floor(MAX_RETAINED_BYTES / 3)),
    });
    fc.assert(
      fc.property(fc.array(end, { maxLength: 30 }), fc.nat(8), (ends, maxRecords) => {
        const policy = { maxRecords, maxAgeMs: 100 };
        const retention = new Retention(policy);
        let kept: { n: number; atMs: number; bytes: number }[] = [];
        let nowMs = 0;
        for (const [index, { afterMs, bytes }] of ends.entries()) {
          nowMs += afterMs;
          retention.noteEnded(uidOf(index + 1), nowMs, bytes);
          kept.push({ n: index + 1, atMs: nowMs, bytes });
          for (let uid = retention.due(nowMs, ALL); uid; uid = retention.due(nowMs, ALL)) {
            assert.equal(uid, uidOf(kept[0]?.n ?? 0));
            retention.noteRemoved(uid);
            kept = kept.slice(1);
          }
          assert.ok(kept.length <= maxRecords);
          assert.ok(kept.reduce((sum, record) => sum + record.bytes, 0) <= MAX_RETAINED_BYTES);
          for (const { atMs } of kept) assert.ok(nowMs - atMs < policy.maxAgeMs);
        }
      }),
    );
  });
});

describe("the memory of expired names", () => {
  it("knows what an earlier daemon knew", () => {
    const retention = new Retention({ maxRecords: 1, maxAgeMs: 1 }, ["a"]);
    assert.equal(retention.hasExpired("a"), true);
    assert.equal(retention.hasExpired("b"), false);
  });

  it("is bounded, and forgets the name that expired longest ago", () => {
    const names = Array.from({ length: MAX_EXPIRED_NAMES }, (_, index) => `p-${index}`);
    const retention = new Retention({ maxRecords: 1, maxAgeMs: 1 }, names);
    assert.equal(retention.rememberExpired("p-0"), null, "it is the youngest now");
    assert.equal(retention.rememberExpired("new"), "p-1");
    assert.equal(retention.rememberExpired("newer"), "p-2");
    assert.equal(retention.hasExpired("p-1"), false);
    for (const name of ["p-0", "p-3", "new", "newer"]) assert.ok(retention.hasExpired(name), name);
  });
});
