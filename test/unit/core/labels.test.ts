import assert from "node:assert/strict";
import fc from "fast-check";
import { equalLabels, hasLabels, parseLabels } from "../../../server/core/labels.js";

function labels(entries: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  return parseLabels("labels", Object.entries(entries));
}

describe("labels", () => {
  it("come in the order of their keys, whatever order they were given in", () => {
    const parsed = parseLabels("labels", [
      ["b", "2"],
      ["a/z", "1"],
      ["10", "x"],
      ["9", "y"],
    ]);
    assert.deepEqual(
      [...parsed],
      [
        ["10", "x"],
        ["9", "y"],
        ["a/z", "1"],
        ["b", "2"],
      ],
    );
  });

  it("are at most 64", () => {
    const entries = Array.from({ length: 65 }, (_, index) => [`k${index}`, ""] as const);
    assert.equal(parseLabels("labels", entries.slice(1)).size, 64);
    assert.throws(() => parseLabels("queue.labels", entries), {
      code: "invalid-field",
      facts: { field: "queue.labels", value: "65" },
    });
  });

  it("have keys of a fixed alphabet, and the bad one is named", () => {
    for (const key of ["a", "0", "a.b_c/d-e", "x".repeat(63)]) labels({ [key]: "" });
    for (const key of ["", "A", "-a", "/a", "a b", "é", "a\n", "x".repeat(64)]) {
      assert.throws(() => labels({ ok: "", [key]: "" }), {
        code: "invalid-field",
        facts: { field: "labels", value: key },
      });
    }
  });

  it("have values of at most 256 bytes of UTF-8, whatever the text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300, size: "max" }), (value) => {
        if (Buffer.byteLength(value) <= 256) assert.equal(labels({ a: value }).get("a"), value);
        else assert.throws(() => labels({ a: value }), { code: "invalid-field" });
      }),
    );
    labels({ a: "é".repeat(128), b: "😀".repeat(64), c: "\ud800".repeat(85) });
    for (const value of ["x".repeat(257), "é".repeat(129), "€".repeat(86), "😀".repeat(65)]) {
      assert.throws(() => labels({ a: value }), {
        facts: { field: "labels", value: "a" },
        message: /bytes under a, at most 256/,
      });
    }
  });

  it("match when all that are wanted are there", () => {
    const ours = labels({ a: "1", b: "" });
    assert.equal(hasLabels(ours, labels({})), true);
    assert.equal(hasLabels(ours, labels({ b: "" })), true);
    assert.equal(hasLabels(ours, labels({ a: "2" })), false);
    assert.equal(hasLabels(ours, labels({ c: "" })), false);
    assert.equal(equalLabels(ours, labels({ b: "", a: "1" })), true);
    assert.equal(equalLabels(ours, labels({ a: "1" })), false);
    assert.equal(equalLabels(labels({ a: "1" }), ours), false);
  });
});
