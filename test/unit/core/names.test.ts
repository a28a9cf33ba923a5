import assert from "node:assert/strict";
import { parseName, parseNamePrefix, parseRequestId } from "../../../server/core/names.js";

const LONG = "x".repeat(128);

describe("a name", () => {
  it("is of a fixed alphabet, and at most 128 characters long", () => {
    for (const name of ["a", "0", "a/b.c_d-e", "team//x", LONG]) {
      assert.equal(parseName("name", name), name);
    }
    for (const name of ["", "A", "/a", ".", "-", "a b", "ä", "a\n", "a\0", `${LONG}x`]) {
      assert.throws(() => parseName("name", name), { code: "invalid-field" }, name);
    }
  });

  it("is shown in part when it is bad and long", () => {
    const shown = `${"X".repeat(64)}…`;
    assert.throws(() => parseName("queue.name", "X".repeat(1000)), {
      facts: { field: "queue.name", value: shown },
      message: `queue.name is "${shown}", but a name must match [a-z0-9][a-z0-9._/-]{0,127}`,
    });
  });

  it("begins with a prefix, which may be empty", () => {
    for (const prefix of ["", "a", "a/", LONG]) {
      assert.equal(parseNamePrefix("name_prefix", prefix), prefix);
    }
    for (const prefix of ["/", "A", "a*", `${LONG}x`]) {
      assert.throws(() => parseNamePrefix("name_prefix", prefix), {
        facts: { field: "name_prefix", value: prefix.length > 64 ? `${"x".repeat(64)}…` : prefix },
      });
    }
  });
});

describe("a request id", () => {
  it("is 1 to 64 letters, digits, and what UUIDs and times are written with", () => {
    for (const id of ["a", "A.b_c:d-9", "x".repeat(64)]) {
      assert.equal(parseRequestId("request_id", id), id);
    }
    for (const id of ["", "x".repeat(65), "a/b", "a b", "a\n", "é"]) {
      assert.throws(() => parseRequestId("request_id", id), { code: "invalid-field" }, id);
    }
  });
});
