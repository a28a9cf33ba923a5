import assert from "node:assert/strict";
import { Watchers } from "../../../server/core/watchers.js";

describe("watchers", () => {
  it("are called for their key, until they are disposed", () => {
    const watchers = new Watchers<string>();
    const called: string[] = [];
    const first = watchers.watch("a", () => called.push("first"));
    using _second = watchers.watch("a", () => called.push("second"));
    using _other = watchers.watch("b", () => called.push("other"));
    watchers.wake("a");
    first[Symbol.dispose]();
    watchers.wake("a");
    watchers.wake("c");
    assert.deepEqual(called, ["first", "second", "second"]);
  });

  it("are all called when everything has changed", () => {
    const watchers = new Watchers<string>();
    const called: string[] = [];
    using _a = watchers.watch("a", () => called.push("a"));
    using _b = watchers.watch("b", () => called.push("b"));
    watchers.wakeAll();
    assert.deepEqual(called, ["a", "b"]);
  });

  it("do not take a later one with them when they are disposed again", () => {
    const watchers = new Watchers<string>();
    const called: string[] = [];
    const gone = watchers.watch("a", () => called.push("gone"));
    gone[Symbol.dispose]();
    using _later = watchers.watch("a", () => called.push("later"));
    gone[Symbol.dispose]();
    watchers.wake("a");
    assert.deepEqual(called, ["later"]);
  });

  it("are two when one function watches twice", () => {
    const watchers = new Watchers<string>();
    let calls = 0;
    const count = (): void => {
      calls++;
    };
    const first = watchers.watch("a", count);
    using _second = watchers.watch("a", count);
    first[Symbol.dispose]();
    watchers.wake("a");
    assert.equal(calls, 1);
  });

  it("may leave, and others come, while they are called", () => {
    const watchers = new Watchers<string>();
    const called: string[] = [];
    const first = watchers.watch("a", () => {
      called.push("first");
      first[Symbol.dispose]();
      watchers.watch("a", () => called.push("late"));
    });
    watchers.wake("a");
    assert.deepEqual(called, ["first"]);
    watchers.wake("a");
    assert.deepEqual(called, ["first", "late"]);
  });
});
