import assert from "node:assert/strict";
import fc from "fast-check";
import { exactJson } from "../../../wire/exact-json.js";

const place = { whole: "the thing", advice: "say it otherwise" };

describe("exact JSON", () => {
  it("is what JSON.stringify says of whatever JSON has a word for", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        assert.equal(exactJson(value, place), JSON.stringify(value));
      }),
    );
  });

  it("leaves members that are undefined out, and says null for nothing at all", () => {
    assert.equal(exactJson({ a: undefined, b: 1 }, place), '{"b":1}');
    assert.equal(exactJson(undefined, place), "null");
  });

  it("asks values that know how they are said", () => {
    assert.equal(exactJson([new Date(0)], place), '["1970-01-01T00:00:00.000Z"]');
    const error = Object.assign(new Error("why"), { toJSON: () => ({ why: "why" }) });
    assert.equal(exactJson(error, place), '{"why":"why"}');
  });

  it("names what it has no word for, and where that is", () => {
    const cases: readonly (readonly [unknown, string])[] = [
      [NaN, "NaN (at the thing)"],
      [{ a: { b: -Infinity } }, "-Infinity (at b of the thing)"],
      [[1, undefined], "undefined (at 1 of the thing)"],
      [{ a: 10n }, "a bigint (at a of the thing)"],
      [() => 1, "a function (at the thing)"],
      [{ a: Symbol("s") }, "a symbol (at a of the thing)"],
      [{ a: Buffer.from("x") }, "bytes (at a of the thing)"],
      [new Uint16Array(1), "bytes (at the thing)"],
      [[new Set([1])], "a Map or Set (at 0 of the thing)"],
      [{ a: new Error("no") }, "an Error (at a of the thing)"],
      [[Promise.resolve(1)], "a Promise (at 0 of the thing)"],
    ];
    for (const [value, said] of cases) {
      assert.throws(() => exactJson(value, place), {
        name: "TypeError",
        message: `JSON cannot say ${said}: say it otherwise`,
      });
    }
  });
});
