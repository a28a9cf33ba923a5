import assert from "node:assert/strict";
import { RecentUse } from "../../../server/templates/recent-use.js";
import { ManualClock } from "../../support/manual-clock.js";

describe("the recent use of templates", () => {
  let clock: ManualClock;
  let closed: AbortController;
  let idle: string[];
  let use: RecentUse;

  beforeEach(() => {
    clock = new ManualClock();
    closed = new AbortController();
    idle = [];
    use = new RecentUse({ clock, closed: closed.signal, idle: (name) => idle.push(name) });
  });

  it("is over a minute after the last", async () => {
    assert.equal(use.has("app"), false);
    assert.equal(use.note("app"), true);
    await clock.advance(40_000);
    assert.equal(use.note("app"), false, "it was in use");
    await clock.advance(59_000);
    assert.deepEqual([use.has("app"), idle], [true, []]);
    await clock.advance(1000);
    assert.deepEqual([use.has("app"), idle], [false, ["app"]]);
    assert.equal(use.note("app"), true);
  });

  it("is each template's own", async () => {
    use.note("one");
    await clock.advance(30_000);
    use.note("other");
    await clock.advance(30_000);
    assert.deepEqual([use.has("one"), use.has("other"), idle], [false, true, ["one"]]);
  });

  it("of one that is forgotten, or of a daemon that has stopped, comes to no end", async () => {
    use.note("app");
    use.forget("app");
    assert.equal(use.has("app"), false);
    use.note("other");
    closed.abort();
    await clock.advance(120_000);
    assert.deepEqual(idle, []);
  });
});
