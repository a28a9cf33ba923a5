import assert from "node:assert/strict";
import type { ProcessUid } from "../../../server/core/ids.js";
import type { ProcessSpec } from "../../../server/processes/process-spec.js";
import type { TemplateSpec } from "../../../server/templates/template-spec.js";
import { phaseOf } from "../../../server/templates/template-state.js";
import { settled, uidOf } from "../processes/fixture.js";
import { createOf, CANNOT, failureCode, TemplateFixture, templateSpecOf } from "./fixture.js";

describe("templates whose zygotes fail", () => {
  let fixture: TemplateFixture;

  beforeEach(() => {
    fixture = new TemplateFixture();
    fixture.connect();
  });

  afterEach(async () => {
    await fixture[Symbol.asyncDispose]();
  });

  it("have a zygote that answers nobody replaced, and its orders given to the next", async () => {
    await fixture.make("app", { warmWorkers: 1 });
    const silent = fixture.zygoteOf("app");
    const other = fixture.outcome(createOf("app", { name: "warm" }));
    await fixture.thrive(1);
    assert.ok(other.settled !== null);
    const waits = fixture.outcome(createOf("app", { name: "waits" }));
    const more = fixture.outcome(createOf("app", { name: "more" }));
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
    await fixture.begin("app", { warmWorkers: 2 });
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
    fixture.outcome(createOf("app", { name: "one" }, "node"));
    await fixture.calm();
    const [worker] = fixture.workers("starting");
    const order = fixture.keeper.slots.get(worker ?? uidOf(0))?.order;
    assert.ok(order?.kind === "spawn");
    assert.deepEqual(order.user, { uid: 7, gid: 7 });
    assert.deepEqual(order.argv, ["node", "main.js"]);
    await fixture.thrive(1);
    assert.equal(fixture.system.table.byName("one")?.birth.method, "spawn");
  });

  describe("that cannot be forked, and keep workers warm", () => {
    const SPEC = { runtime: "node", warmWorkers: 1, preload: ["lib"] } as const;

    /** Its zygote has said that it cannot be forked. */
    async function make(patch: Partial<TemplateSpec> = {}): Promise<void> {
      await fixture.begin("app", { ...SPEC, ...patch });
      await fixture.calm();
      for (const uid of fixture.keeper.uids("starting")) fixture.keeper.bear(uid);
      const [uid] = fixture.zygotes("alive", "app");
      fixture.ready(uid ?? assert.fail("no zygote loads"), CANNOT);
      await fixture.calm();
    }

    const startingUid = (): ProcessUid =>
      fixture.keeper.uids("starting")[0] ?? assert.fail("none is started in advance");

    it("start each by itself, to be told what to become", async () => {
      await make({ runAs: "ada", env: { A: "1" } });
      const uid = startingUid();
      const inAdvance = fixture.keeper.slots.get(uid)?.inAdvance ?? assert.fail("it is forked");
      assert.deepEqual([inAdvance.user, inAdvance.env["A"]], [{ uid: 7, gid: 7 }, "1"]);
      assert.deepEqual(inAdvance.argv, ["node", "main.js"]);
      assert.equal(inAdvance.env["FORKBUS_PROCESS_ID"], uid);
      fixture.keeper.bear(uid);
      await fixture.calm();
      assert.equal(fixture.templates.templates.warmWorkers("app"), 1);
      const created = fixture.system.processes.create(createOf("app", { name: "one" }, "node"));
      await fixture.calm();
      const order = fixture.keeper.slots.get(uid)?.order;
      assert.deepEqual([order?.kind, order?.uid], ["go", uid]);
      await fixture.thrive(2);
      const { birth } = await created;
      assert.deepEqual([birth.method, birth.warm, birth.generation], ["spawn", true, 1]);
      assert.equal(fixture.templates.templates.warmWorkers("app"), 1, "another one waits");
    });

    it("give none to a create that wants other files, or limits that only itself could set", async () => {
      await make();
      fixture.keeper.bear(startingUid());
      await fixture.calm();
      const limit = { resource: "RLIMIT_NOFILE", soft: 5n, hard: 5n };
      const others: readonly Partial<ProcessSpec>[] = [
        { openStdin: true },
        { mergeStderr: true },
        { stdout: "null" },
        { stderr: "null" },
        { rlimits: [limit] },
      ];
      for (const other of others) {
        const order = createOf("app", {}, "node");
        const created = fixture.system.processes.create({
          ...order,
          spec: { ...order.spec, ...other },
        });
        await fixture.thrive(1);
        assert.equal((await created).birth.warm, false, Object.keys(other).join());
      }
      assert.equal(fixture.templates.templates.warmWorkers("app"), 1);
    });

    it("end one that does not come to wait in time, and start another", async () => {
      await make({ preloadTimeoutMs: 5000 });
      const late = startingUid();
      await fixture.clock.advance(5000);
      fixture.obey();
      await fixture.calm();
      assert.equal(fixture.keeper.slots.has(late), false);
      await fixture.clock.advance(1000);
      await fixture.calm();
      assert.notEqual(startingUid(), late);
      assert.equal(fixture.keeper.uids("starting").length, 1);
    });

    it("start others when the keeper has died with them", async () => {
      await make();
      const before = startingUid();
      fixture.keeper.die();
      fixture.connect();
      await fixture.clock.advance(1000);
      await fixture.calm();
      assert.notEqual(startingUid(), before);
      fixture.keeper.bear(startingUid());
      await fixture.calm();
      assert.equal(fixture.templates.templates.warmWorkers("app"), 1);
    });
  });

  it("fail what waits when they cannot load, and what comes later at once", async () => {
    await fixture.begin("app");
    const waits = fixture.outcome(createOf("app"));
    await fixture.calm();
    for (const uid of fixture.keeper.uids("starting")) fixture.keeper.bear(uid);
    for (const uid of fixture.zygotes("alive")) fixture.cannotLoad(uid);
    await fixture.calm();
    assert.equal(failureCode(waits), "preload-failed");
    const later = fixture.outcome(createOf("app"));
    await settled();
    assert.equal(failureCode(later), "preload-failed");
    assert.equal([...fixture.system.table.all()].length, 0, "no record is left");
  });

  it("are ready as soon as the disk has room, when their zygotes could not be kept", async () => {
    const { templateStore } = fixture;
    const save = templateStore.save.bind(templateStore);
    templateStore.save = (record) => {
      // The template itself still fits.
      templateStore.isFull = record.zygotes.length > 0;
      return save(record);
    };
    await fixture.begin("app");
    const waits = fixture.outcome(createOf("app"));
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
    fixture.outcome(createOf("app", { name: "later" }));
    await fixture.thrive(3);
    assert.equal(fixture.system.table.byName("later")?.state.kind, "running");
  });

  it("are ready as soon as the host has room for their zygotes", async () => {
    const waits = fixture.outcome(createOf("python"));
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
    const first = fixture.outcome(createOf("python"));
    await fixture.calm();
    for (const uid of fixture.keeper.uids("starting")) fixture.keeper.bear(uid);
    for (const uid of fixture.zygotes("alive")) fixture.cannotLoad(uid);
    await fixture.calm();
    assert.equal(failureCode(first), "preload-failed");
    fixture.outcome(createOf("python", { name: "again" }));
    await fixture.thrive(3);
    assert.equal(fixture.system.table.byName("again")?.state.kind, "running");
  });

  it("end a zygote that does not load in time, and say so", async () => {
    fixture.outcome(createOf("python"));
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
});
