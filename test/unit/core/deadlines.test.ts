import assert from "node:assert/strict";
import { Deadlines } from "../../../server/core/deadlines.js";
import { ManualClock } from "../../support/manual-clock.js";

describe("deadlines", () => {
  it("come once, each when it is due, at once where that has passed", async () => {
    const clock = new ManualClock();
    await clock.advance(100);
    using deadlines = new Deadlines<string>(clock);
    const come: string[] = [];
    deadlines.arm("late", 300, () => come.push("late"));
    deadlines.arm("past", 50, () => come.push("past"));
    await clock.advance(0);
    assert.deepEqual(come, ["past"]);
    await clock.advance(200);
    await clock.advance(200);
    assert.deepEqual(come, ["past", "late"]);
  });

  it("do not come when they were disarmed, replaced or disposed", async () => {
    const clock = new ManualClock();
    const deadlines = new Deadlines<string>(clock);
    const come: string[] = [];
    deadlines.arm("disarmed", 10, () => come.push("disarmed"));
    deadlines.disarm("disarmed");
    deadlines.arm("replaced", 10, () => come.push("first"));
    deadlines.arm("replaced", 20, () => come.push("second"));
    deadlines.arm("disposed", 30, () => come.push("disposed"));
    await clock.advance(25);
    deadlines[Symbol.dispose]();
    await clock.advance(25);
    assert.deepEqual(come, ["second"]);
  });
});
