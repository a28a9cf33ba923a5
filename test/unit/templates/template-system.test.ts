import assert from "node:assert/strict";
import type { Source } from "../../../server/processes/fork-servers.js";
import { phaseOf } from "../../../server/templates/template-state.js";
import { settled, specOf, uidOf } from "../processes/fixture.js";
import { createOf, failureCode, functionOf, SIGKILLED, TemplateFixture } from "./fixture.js";

describe("templates and the processes that are made of them", () => {
  let fixture: TemplateFixture;

  beforeEach(() => {
    fixture = new TemplateFixture();
    fixture.connect();
  });

  afterEach(async () => {
    await fixture[Symbol.asyncDispose]();
  });

  it("fork from one zygote, which is started when it is needed first", async () => {
    assert.equal(phaseOf(fixture.stateOf("python")), "idle");
    fixture.outcome(createOf("python"));
    fixture.outcome(createOf("python"));
    await fixture.calm();
    assert.equal(fixture.zygotes("starting", "python").length, 1);
    assert.equal(fixture.workers("starting").length, 0);
    await fixture.thrive(2);
    const servers = fixture.workers("alive").map((uid) => fixture.keeper.slots.get(uid)?.server);
    assert.deepEqual(servers, [fixture.zygoteOf("python"), fixture.zygoteOf("python")]);
    const births = [...fixture.system.table.all()].map(({ birth }) => birth);
    for (const { method, generation, warm } of births) {
      assert.deepEqual([method, generation, warm], ["forkserver", 1, false]);
    }
  });

  it("are given warm workers, which are made again from another when they die at that moment", async () => {
    await fixture.make("app", { warmWorkers: 2 });
    const [first] = fixture.keeper.uids("held");
    const taken = fixture.outcome(createOf("app", { name: "warm" }));
    await fixture.calm();
    assert.equal(fixture.keeper.slots.get(first ?? uidOf(0))?.order?.kind, "go");
    await fixture.thrive(1);
    assert.equal(fixture.system.table.byName("warm")?.birth.warm, true);
    assert.ok(taken.settled !== null);
    const { store, keeper } = fixture;
    const [next] = keeper.uids("held");
    const save = store.save.bind(store);
    store.save = (...record) => {
      store.save = save;
      // It dies while the intent is being kept, before it is told what to become.
      keeper.end(next ?? uidOf(0), SIGKILLED);
      return save(...record);
    };
    const late = fixture.outcome(createOf("app", { name: "late" }));
    await fixture.thrive(3);
    const { state, birth, uid } = fixture.system.processes.get({ name: "late", uid: null });
    assert.deepEqual([state.kind, birth.warm, uid], ["running", false, next]);
    assert.ok(!(late.settled instanceof Error));
  });

  it("make a worker once whose go crossed the news of the death of the one that waited", async () => {
    await fixture.make("app", { warmWorkers: 1 });
    const { keeper } = fixture;
    const [held = uidOf(0)] = keeper.uids("held");
    const created = fixture.outcome(createOf("app", { name: "warm" }));
    await fixture.calm();
    assert.equal(keeper.slots.get(held)?.order?.kind, "go");
    keeper.fail(held, { step: "birth", errno: "EINTR", message: "" });
    await fixture.clock.advance(10);
    await fixture.calm();
    assert.equal(keeper.slots.get(held)?.order?.kind, "fork", "it is ordered anew");
    keeper.refuseGo(held);
    await fixture.thrive(2);
    assert.ok(created.settled !== null && !(created.settled instanceof Error));
    assert.equal(fixture.system.table.byName("warm")?.state.kind, "running");
    assert.equal(keeper.births.get(held), 1);
  });

  it("have a spare worker while they are in use, for a create that comes alone", async () => {
    await fixture.make("app");
    assert.deepEqual(fixture.keeper.uids("held"), [], "nobody has asked yet");
    fixture.outcome(createOf("app", { name: "first" }));
    await fixture.thrive(2);
    const [spare, ...more] = fixture.keeper.uids("held");
    assert.ok(spare !== undefined && more.length === 0);
    fixture.outcome(createOf("app", { name: "second" }));
    await fixture.thrive(1);
    const second = fixture.system.table.byName("second");
    assert.deepEqual([second?.uid, second?.birth.warm], [spare, true]);
    await fixture.thrive(1);
    assert.equal(fixture.keeper.uids("held").length, 1);
    await fixture.clock.advance(60_000);
    fixture.obey();
    await fixture.calm();
    assert.deepEqual(fixture.keeper.uids("held"), []);
  });

  it("make no spare worker before those that somebody waits for", async () => {
    await fixture.make("app");
    for (let count = 0; count < 20; count++) fixture.outcome(createOf("app"));
    await fixture.calm();
    while (fixture.workers("starting").length > 0) {
      assert.deepEqual(fixture.keeper.uids("held"), []);
      assert.equal(fixture.keeper.uids("starting").length, fixture.workers("starting").length);
      fixture.keeper.bear(fixture.workers("starting")[0] ?? assert.fail("nobody waits"));
      await fixture.calm();
    }
    assert.equal(fixture.workers("alive").length, 20);
    assert.equal(fixture.keeper.uids("starting").length, 1, "now there is time for it");
  });

  it("end a warm worker whose create cannot be kept, rather than leave it waiting", async () => {
    await fixture.make("app", { warmWorkers: 1 });
    const [held] = fixture.keeper.uids("held");
    fixture.store.isFull = true;
    const refused = fixture.outcome(createOf("app"));
    await fixture.calm();
    assert.equal(failureCode(refused), "disk-full");
    assert.equal(fixture.keeper.slots.has(held ?? uidOf(0)), false);
  });

  it("do not end a worker that was told to go when the keeper is found again", async () => {
    await fixture.make("app", { warmWorkers: 1 });
    const [held] = fixture.keeper.uids("held");
    fixture.keeper.losesOrders = true;
    const created = fixture.outcome(createOf("app"));
    await settled();
    fixture.keeper.disconnect();
    fixture.keeper.losesOrders = false;
    fixture.connect();
    await settled();
    const { signals } = fixture.keeper;
    assert.ok(!signals.some(({ uid }) => uid === held), "it is told to go again");
    await fixture.thrive(1);
    assert.ok(created.settled !== null && !(created.settled instanceof Error));
  });

  it("give up a create that is stopped while it waits for them", async () => {
    const waits = fixture.outcome(createOf("python", { name: "stopped" }));
    await settled();
    const record = fixture.system.table.byName("stopped");
    assert.ok(record);
    fixture.system.supervisor.apply(record.uid, {
      kind: "stop-requested",
      stop: { principal: "uid:1", requestId: "", signal: 15, deadlineMs: 1e9, escalated: false },
    });
    await fixture.calm();
    assert.equal(failureCode(waits), "start-interrupted");
    assert.equal(fixture.system.table.byName("stopped"), undefined);
  });

  it("fail a create that comes with their deletion", async () => {
    await fixture.make("app");
    const created = fixture.outcome(createOf("app"));
    const deleted = fixture.templates.templates.delete("app");
    await fixture.thrive(2);
    await deleted;
    assert.equal(failureCode(created), "template-not-found");
    assert.deepEqual(fixture.zygotes("alive"), []);
    assert.equal(fixture.templateStore.records.size, 0);
  });

  it("have no second zygote after the daemon was restarted, and serve at once", async () => {
    await fixture.make("app");
    const zygote = fixture.zygoteOf("app");
    const { keeper } = fixture;
    for (let restart = 0; restart < 3; restart++) {
      keeper.disconnect();
      await fixture[Symbol.asyncDispose]();
      fixture = new TemplateFixture(fixture);
      fixture.connect();
      await fixture.calm();
      assert.equal(fixture.zygoteOf("app"), zygote);
      assert.deepEqual(fixture.zygotes("starting"), []);
      assert.deepEqual(fixture.zygotes("alive"), [zygote]);
    }
    assert.deepEqual(fixture.warnings, []);
  });

  it("begin anew what was loading when the keeper died", async () => {
    const created = fixture.outcome(createOf("python"));
    await fixture.calm();
    fixture.keeper.die();
    fixture.connect();
    await fixture.thrive(3);
    assert.equal(phaseOf(fixture.stateOf("python")), "ready");
    assert.ok(!(created.settled instanceof Error) && created.settled !== null);
  });

  it("are forked from their parents, and again when those have other zygotes", async () => {
    await fixture.make("app");
    await fixture.make("child", { parent: "app" });
    const child = fixture.zygoteOf("child");
    assert.equal(fixture.keeper.slots.get(child)?.server, fixture.zygoteOf("app"));
    fixture.keeper.end(fixture.zygoteOf("app"), SIGKILLED);
    await fixture.thrive(4);
    assert.notEqual(fixture.zygoteOf("child"), child);
    assert.equal(
      fixture.keeper.slots.get(fixture.zygoteOf("child"))?.server,
      fixture.zygoteOf("app"),
    );
    assert.equal(fixture.zygotes("alive").length, 2);
  });

  it("leave no timer behind when the daemon ends while a zygote loads", async () => {
    fixture.outcome(createOf("python"));
    await fixture.calm();
    for (const uid of fixture.keeper.uids("starting")) fixture.keeper.bear(uid);
    await fixture[Symbol.asyncDispose]();
    const { length } = fixture.keeper.signals;
    await fixture.clock.advance(60_000);
    await settled();
    assert.equal(fixture.keeper.signals.length, length, "somebody watched the time");
  });

  it("keep free the place of a create that was stopped before it was born", async () => {
    await fixture.make("app");
    for (let round = 0; round < 20; round++) {
      const name = `stopped-${round}`;
      fixture.outcome(createOf("app", { name }));
      await fixture.calm();
      const never = new AbortController().signal;
      await fixture.system.processes.stop(
        { name, uid: null },
        {},
        { principal: "uid:1", requestId: "" },
        0,
        never,
      );
      const [uid] = fixture.workers("starting");
      fixture.keeper.fail(uid ?? assert.fail("nothing was ordered"), {
        step: "birth",
        errno: "ECHILD",
        message: "",
      });
      await fixture.calm();
    }
    fixture.outcome(createOf("app", { name: "last" }));
    await fixture.thrive(1);
    assert.equal(fixture.system.table.byName("last")?.state.kind, "running");
  });

  it("are not needed by a function in a fresh interpreter", async () => {
    const target = functionOf("python", { origin: { method: "spawn", template: "python" } });
    const spec = specOf({ target, workingDir: null, cpus: { kind: "none" } });
    fixture.outcome({ ...createOf("python"), spec });
    await fixture.calm();
    assert.deepEqual(fixture.zygotes("starting"), []);
    assert.equal(fixture.workers("starting").length, 1);
    assert.equal(phaseOf(fixture.stateOf("python")), "idle");
  });

  it("have jobs that are over when they are given up", async () => {
    const { work } = fixture.templates.zygotes;
    const started: Source[] = [];
    work.submit({
      uid: uidOf(500),
      template: "python",
      started: false,
      start: (source) => started.push(source),
      fail: () => assert.fail("nobody asks any more"),
    });
    work.drop(uidOf(500));
    await fixture.thrive(2);
    assert.deepEqual(started, []);
  });
});
