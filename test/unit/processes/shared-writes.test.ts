import assert from "node:assert/strict";
import { SHARED_WITHIN_MS, SharedWrites } from "../../../server/processes/shared-writes.js";
import { ManualClock } from "../../support/manual-clock.js";

describe("writes that wait for others", () => {
  let clock: ManualClock;
  let shared: SharedWrites;
  let made: string[];

  beforeEach(() => {
    clock = new ManualClock();
    shared = new SharedWrites(clock);
    made = [];
  });

  function add(name: string): void {
    shared.add(() => {
      made.push(name);
    });
  }

  it("are made with the next that does not, in order and once", () => {
    add("a");
    add("b");
    assert.deepEqual(made, []);
    shared.flush();
    shared.flush();
    assert.deepEqual(made, ["a", "b"]);
  });

  it("are made by themselves when none comes soon, also the second time", async () => {
    for (const expected of [["a"], ["a", "a"]]) {
      add("a");
      await clock.advance(SHARED_WITHIN_MS - 1);
      assert.equal(made.length, expected.length - 1);
      await clock.advance(1);
      assert.deepEqual(made, expected);
    }
  });

  it("wait for no longer than that when others come again and again", async () => {
    for (let n = 0; n < 10; n++) {
      add(String(n));
      await clock.advance(SHARED_WITHIN_MS / 5);
    }
    assert.deepEqual(
      made,
      ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"].slice(0, made.length),
    );
    assert.ok(made.length >= 5, `${made.length} of 10`);
  });

  it("do not wait any more when the daemon stops", () => {
    add("a");
    shared[Symbol.dispose]();
    assert.deepEqual(made, ["a"]);
    add("b");
    assert.deepEqual(made, ["a", "b"]);
  });
});
