import assert from "node:assert/strict";
import type { Source } from "../../../server/processes/fork-servers.js";
import { phaseOf } from "../../../server/templates/template-state.js";
import { settled, specOf, uidOf } from "../processes/fixture.js";
import {
  createOf,
  functionOf,
  REPORT,
  SIGKILLED,
  TemplateFixture,
  templateSpecOf,
} from "./fixture.js";

const CANNOT = { ...REPORT, canFork: false, why: "An unknown V8" };

describe("templates and the processes that are made of them", () => {
  let fixture: TemplateFixture;

  beforeEach(() => {
    fixture = new TemplateFixture();
    fixture.connect();
  });

  afterEach(async () => {
    await fixture[Symbol.asyncDispose]();
  });

  /** The outcome of a create, when there is one. */
  function outcome(order: ReturnType<typeof createOf>): { settled: unknown } {
    const seen: { settled: unknown } = { settled: null };
    fixture.system.processes.create(order).then(
      (record) => {
        seen.settled = record;
      },
      (error: unknown) => {
        seen.settled = error;
      },
    );
    return seen;
  }

  function failureCode({ settled: error }: { settled: unknown }): unknown {
    return error instanceof Error && "code" in error ? error.code : error;
  }

  it("fork from one zygote, which is started when it is needed first", async () => {
    assert.equal(phaseOf(fixture.stateOf("python")), "idle");
    outcome(createOf("python"));
    outcome(createOf("python"));
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
    const taken = outcome(createOf("app", { name: "warm" }));
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
    const late = outcome(createOf("app", { name: "late" }));
    await fixture.thrive(3);
    const { state, birth, uid } = fixture.system.processes.get({ name: "late", uid: null });
    assert.deepEqual([state.kind, birth.warm, uid], ["running", false, next]);
    assert.ok(!(late.settled instanceof Error));
  });

  it("end a warm worker whose create cannot be kept, rather than leave it waiting", async () => {
    await fixture.make("app", { warmWorkers: 1 });
    const [held] = fixture.keeper.uids("held");
    fixture.store.isFull = true;
    const refused = outcome(createOf("app"));
    await fixture.calm();
    assert.equal(failureCode(refused), "disk-full");
    assert.equal(fixture.keeper.slots.has(held ?? uidOf(0)), false);
  });

  it("have a zygote that answers nobody replaced, and its orders given to the next", async () => {
    await fixture.make("app", { warmWorkers: 1 });
    const silent = fixture.zygoteOf("app");
    const other = outcome(createOf("app", { name: "warm" }));
    await fixture.thrive(1);
    assert.ok(other.settled !== null);
    const waits = outcome(createOf("app", { name: "waits" }));
    const more = outcome(createOf("app", { name: "more" }));
    await settled();
    const answered = fixture.workers("starting");
    assert.ok(answered.length > 0);
    for (const uid of answered) {
      fixture.keeper.fail(uid, { step: "birth", errno: "ETIME", message: "" });
    }
    await fixture.thrive(3);
    assert.notEqual(fixture.zygoteOf("app"), silent);
    assert.ok(fixture.keeper.slots.get(silent) === undefined, "it is there, and of no use");
    for (const name of ["waits", "more"]) {
      assert.equal(fixture.system.table.byName(name)?.state.kind, "running", name);
    }
    for (const { settled: seen } of [waits, more]) assert.ok(!(seen instanceof Error));
    assert.equal(fixture.stateOf("app").restarts, 1);
  });

  it("have a zygote replaced that does not make the workers that are kept warm", async () => {
    await fixture.templates.templates.create({
      name: "app",
      owner: "uid:1",
      labels: {},
      spec: templateSpecOf({ warmWorkers: 2 }),
      requestId: null,
    });
    await fixture.calm();
    for (const uid of fixture.keeper.uids("starting")) fixture.keeper.bear(uid);
    for (const uid of fixture.zygotes("alive", "app")) fixture.ready(uid);
    await fixture.calm();
    const silent = fixture.zygoteOf("app");
    const [asked] = fixture.keeper.uids("starting");
    fixture.keeper.fail(asked ?? assert.fail("none is forked"), {
      step: "birth",
      errno: "ETIME",
      message: "",
    });
    await fixture.thrive(3);
    assert.notEqual(fixture.zygoteOf("app"), silent);
    assert.equal(fixture.templates.templates.warmWorkers("app"), 2);
  });

  it("do not end a worker that was told to go when the keeper is found again", async () => {
    await fixture.make("app", { warmWorkers: 1 });
    const [held] = fixture.keeper.uids("held");
    fixture.keeper.losesOrders = true;
    const created = outcome(createOf("app"));
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

  it("spawn where they cannot be forked, as the user of the template", async () => {
    await fixture.make("app", { runtime: "node", runAs: "ada" });
    await fixture.templates.templates.update(
      "app",
      templateSpecOf({ runtime: "node", runAs: "ada", env: { A: "1" } }),
    );
    await fixture.calm();
    for (const uid of fixture.keeper.uids("starting")) fixture.keeper.bear(uid);
    const [uid] = fixture
      .zygotes("alive", "app")
      .filter((one) => one !== fixture.stateOf("app").serving?.uid);
    fixture.ready(uid ?? assert.fail("no zygote loads"), CANNOT);
    await fixture.calm();
    outcome(createOf("app", { name: "one" }, "node"));
    await fixture.calm();
    const [worker] = fixture.workers("starting");
    const order = fixture.keeper.slots.get(worker ?? uidOf(0))?.order;
    assert.ok(order?.kind === "spawn");
    assert.deepEqual(order.user, { uid: 7, gid: 7 });
    assert.deepEqual(order.argv, ["node", "main.js"]);
    await fixture.thrive(1);
    assert.equal(fixture.system.table.byName("one")?.birth.method, "spawn");
  });

  it("fail what waits when they cannot load, and what comes later at once", async () => {
    await fixture.templates.templates.create({
      name: "app",
      owner: "uid:1",
      labels: {},
      spec: templateSpecOf({}),
      requestId: null,
    });
    const waits = outcome(createOf("app"));
    await fixture.calm();
    for (const uid of fixture.keeper.uids("starting")) fixture.keeper.bear(uid);
    for (const uid of fixture.zygotes("alive")) fixture.cannotLoad(uid);
    await fixture.calm();
    assert.equal(failureCode(waits), "preload-failed");
    const later = outcome(createOf("app"));
    await settled();
    assert.equal(failureCode(later), "preload-failed");
    assert.equal([...fixture.system.table.all()].length, 0, "no record is left");
  });

  it("are ready as soon as the disk has room, when their zygotes could not be kept", async () => {
    const { templateStore, templates } = fixture;
    const save = templateStore.save.bind(templateStore);
    templateStore.save = (record) => {
      // The template itself still fits.
      templateStore.isFull = record.zygotes.length > 0;
      return save(record);
    };
    await templates.templates.create({
      name: "app",
      owner: "uid:1",
      labels: {},
      spec: templateSpecOf({}),
      requestId: null,
    });
    const waits = outcome(createOf("app"));
    await fixture.calm();
    await fixture.clock.advance(0);
    await fixture.calm();
    assert.equal(failureCode(waits), "preload-failed");
    assert.equal(phaseOf(fixture.stateOf("app")), "starting");
    assert.match(
      fixture.stateOf("app").failure?.failure.message ?? "",
      /^Its record cannot be kept: /,
    );
    templateStore.save = save;
    templateStore.isFull = false;
    outcome(createOf("app", { name: "later" }));
    await fixture.thrive(3);
    assert.equal(fixture.system.table.byName("later")?.state.kind, "running");
  });

  it("are ready as soon as the host has room for their zygotes", async () => {
    const waits = outcome(createOf("python"));
    await fixture.calm();
    const [uid] = fixture.zygotes("starting");
    const full = { step: "clone", errno: "EAGAIN", message: "" } as const;
    fixture.keeper.fail(uid ?? assert.fail("no zygote is started"), full);
    await fixture.calm();
    assert.equal(failureCode(waits), "preload-failed");
    await fixture.thrive(3);
    assert.equal(phaseOf(fixture.stateOf("python")), "ready");
  });

  it("are tried anew by the next create where they are built in, as nobody can mend their spec", async () => {
    const first = outcome(createOf("python"));
    await fixture.calm();
    for (const uid of fixture.keeper.uids("starting")) fixture.keeper.bear(uid);
    for (const uid of fixture.zygotes("alive")) fixture.cannotLoad(uid);
    await fixture.calm();
    assert.equal(failureCode(first), "preload-failed");
    outcome(createOf("python", { name: "again" }));
    await fixture.thrive(3);
    assert.equal(fixture.system.table.byName("again")?.state.kind, "running");
  });

  it("give up a create that is stopped while it waits for them", async () => {
    const waits = outcome(createOf("python", { name: "stopped" }));
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
    const created = outcome(createOf("app"));
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
    const created = outcome(createOf("python"));
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

  it("end a zygote that does not load in time, and say so", async () => {
    outcome(createOf("python"));
    await fixture.calm();
    for (const uid of fixture.keeper.uids("starting")) fixture.keeper.bear(uid);
    await fixture.clock.advance(60_000);
    await fixture.calm();
    assert.match(
      fixture.stateOf("python").failure?.failure.message ?? "",
      /not done within 60000 ms/,
    );
    assert.deepEqual(fixture.zygotes("alive"), []);
  });

  it("leave no timer behind when the daemon ends while a zygote loads", async () => {
    outcome(createOf("python"));
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
      outcome(createOf("app", { name }));
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
    outcome(createOf("app", { name: "last" }));
    await fixture.thrive(1);
    assert.equal(fixture.system.table.byName("last")?.state.kind, "running");
  });

  it("are not needed by a function in a fresh interpreter", async () => {
    const target = functionOf("python", { origin: { method: "spawn", template: "python" } });
    const spec = specOf({ target, workingDir: null, cpus: { kind: "none" } });
    outcome({ ...createOf("python"), spec });
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
