import assert from "node:assert/strict";
import type { KeeperEvents } from "../../../server/processes/keeper.js";
import { emptySpec } from "../../../server/templates/template-spec.js";
import { TemplateSystem } from "../../../server/templates/template-system.js";
import { FakeKeeper } from "../../support/fake-keeper.js";
import { ManualClock } from "../../support/manual-clock.js";
import { settled, uidOf } from "../processes/fixture.js";

const PROGRAM = { interpreter: "python3", program: ["/main.py"], forkLibrary: null };
const REPORT = {
  runtimeVersion: "3.11.7",
  modules: [],
  threads: [],
  openFiles: [],
  canFork: true,
  why: "",
};

function nothing(): void {
  return;
}

/** There are no processes. */
const NO_PROCESSES: KeeperEvents = {
  connected: nothing,
  disconnected: nothing,
  spawned: nothing,
  spawnFailed: nothing,
  exited: nothing,
  treeGone: nothing,
  stdinReady: nothing,
  born: nothing,
  serving: nothing,
  called: nothing,
};

describe("the zygote of a template with a parent", () => {
  it("is forked once when the parent, for which it waits, is ready", async () => {
    const keeper = new FakeKeeper();
    let uids = 0;
    await using system = new TemplateSystem({
      records: [],
      store: { save: () => Promise.resolve(), remove: () => Promise.resolve() },
      keeper,
      files: { report: () => Promise.resolve(REPORT), tail: () => Promise.resolve("") },
      runtimes: { python: PROGRAM, node: PROGRAM },
      user: () => Promise.resolve(undefined),
      clock: new ManualClock(),
      log: { info: nothing, warn: nothing },
      newUid: () => uidOf(++uids),
      baseEnvironment: {},
    });
    keeper.connect(system.router(NO_PROCESSES));
    const order = { owner: "uid:1", labels: {}, requestId: null };
    const spec = emptySpec("python");
    await system.templates.create({ ...order, name: "app", spec });
    await system.templates.create({ ...order, name: "child", spec: { ...spec, parent: "app" } });
    await settled();
    const parent = keeper.uids("starting")[0];
    assert.ok(parent !== undefined && keeper.slots.size === 1, "the child waits");
    keeper.bear(parent);
    keeper.serve(parent);
    await settled();
    assert.equal(keeper.uids("starting").length, 1, "zygotes that are forked");
    assert.deepEqual(
      system.templates.get("child").record.zygotes.map(({ uid }) => uid),
      keeper.uids("starting"),
    );
  });
});
