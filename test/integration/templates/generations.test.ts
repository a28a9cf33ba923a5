import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import {
  type CallOptions,
  type Client,
  type Template,
  TemplateFailedError,
} from "../../../client/typescript/index.js";
import { type DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { childrenOf, isAlive } from "../daemon/support/proc-fs.js";
import { type FunctionFiles } from "./support/function-files.js";
import { HUES } from "./support/hues.js";
import { sharedWorkshop } from "./support/workshop.js";

describe("templates that change", function () {
  this.timeout(60_000);
  let daemon: DaemonHarness;
  let bus: Client;
  let files: FunctionFiles;
  sharedWorkshop(HUES, (shop) => {
    ({ daemon, bus, files } = shop);
  });

  /** Once everything that a test has made is gone, nothing that the keeper started may be left. */
  afterEach(async () => {
    const templates: Template[] = [];
    for await (const template of bus.templates.list()) {
      if (template.name !== "python" && template.name !== "node") templates.push(template);
    }
    // Children before their parents.
    for (const template of templates.sort((a, b) => b.name.length - a.name.length)) {
      await template.delete();
    }
    for await (const worker of bus.list()) await worker.kill().catch(() => undefined);
    const { keeperPid } = daemon;
    assert.ok(keeperPid !== undefined);
    await eventually(
      () => childrenOf(keeperPid),
      (children) => children.length === 0,
      { what: "no child of the keeper to be left" },
    );
    for await (const worker of bus.list()) {
      assert.equal(
        worker.latest.labels["forkbus/recovered"],
        undefined,
        `${worker.name} is unknown`,
      );
    }
  });

  for (const runtime of ["python", "node"] as const) {
    const common = () => ({
      runtime,
      modulePath: [files.path],
      preload: [runtime === "python" ? "hues" : files.file("hues.mjs")],
    });
    const call = (name: string, template: Template | string): CallOptions => {
      const modulePath = [files.path];
      return runtime === "python"
        ? { python: `hues:${name}`, template, modulePath }
        : { node: `./hues.mjs#${name}`, template, modulePath };
    };
    const opened = async (template: Template, env: Record<string, string>): Promise<string> => {
      const { COLOUR = "" } = env;
      await eventually(
        async () => bus.call(call("colour", template)),
        (colour) => colour === COLOUR,
        { what: `workers of colour ${COLOUR}` },
      );
      return COLOUR;
    };

    describe(`in ${runtime}`, () => {
      it("keep creates waiting while they load, and then make each of them", async () => {
        const gate = files.file(randomUUID());
        const template = await bus.templates.create({
          name: "slow",
          ...common(),
          env: { GATE: gate, COLOUR: "red" },
        });
        assert.equal(template.state, "starting");
        const calls = Array.from({ length: 40 }, () => bus.call(call("colour", template)));
        await files.add(gate.slice(files.path.length + 1), "");
        assert.deepEqual([...new Set(await Promise.all(calls))], ["red"]);
      });

      it("fail creates that wait when they are deleted, and those that come later", async () => {
        const template = await bus.templates.create({
          name: "slow",
          ...common(),
          env: { GATE: "/nowhere" },
        });
        const calls = Array.from({ length: 5 }, () =>
          bus.call(call("colour", template)).catch((error: unknown) => error),
        );
        await eventually(
          async () => (await daemon.processes.listProcesses({})).processes.length,
          (count) => count >= 5,
          { what: "the creates to wait" },
        );
        await template.delete();
        for (const error of await Promise.all(calls)) {
          assert.ok(error instanceof Error && "reason" in error, String(error));
          assert.equal(error.reason, "TEMPLATE_NOT_FOUND");
        }
        await assert.rejects(bus.call(call("colour", "slow")), { reason: "TEMPLATE_NOT_FOUND" });
      });

      it("answer every create that is under way when they are deleted", async () => {
        for (let round = 0; round < 3; round++) {
          const template = await bus.templates.create({ name: `gone-${round}`, ...common() });
          await template.ready();
          const calls = Array.from({ length: 60 }, () =>
            bus.call(call("colour", template)).then(
              () => "made",
              (error: unknown) =>
                error instanceof Error && "reason" in error ? error.reason : String(error),
            ),
          );
          await calls[0];
          await template.delete();
          for (const said of await Promise.all(calls)) {
            assert.ok(said === "made" || said === "TEMPLATE_NOT_FOUND", String(said));
          }
        }
      });

      it("go on with the old generation while a new one loads, and when that fails", async () => {
        const gate = files.file(randomUUID());
        const template = await bus.templates.create({
          name: "changing",
          ...common(),
          env: { COLOUR: "red" },
        });
        await template.ready();
        const first = template.report?.pid ?? 0;
        await using old = await bus.spawn(call("stay", template));
        await template.update({ ...common(), env: { COLOUR: "green", GATE: gate } });
        assert.equal(template.state, "ready");
        assert.equal(template.servingGeneration, 1);
        assert.equal(template.newestGeneration, 2);
        assert.equal(await bus.call(call("colour", template)), "red");
        await files.add(gate.slice(files.path.length + 1), "");
        await template.ready();
        assert.equal(await bus.call(call("colour", template)), "green");
        await eventually(
          () => isAlive(first),
          (alive) => !alive,
          { what: "the first zygote to retire" },
        );
        await old.refresh();
        assert.equal(old.exit, undefined);
        await template.update({ ...common(), env: { COLOUR: "blue", BROKEN: "1" } });
        await assert.rejects(template.ready(), TemplateFailedError);
        assert.equal(template.state, "ready");
        assert.equal(template.servingGeneration, 2);
        assert.equal(await bus.call(call("colour", template)), "green");
        assert.equal(await bus.call({ ...call("colour", template), method: "spawn" }), "green");
        await template.refresh();
        const pid = template.report?.pid ?? 0;
        process.kill(pid, "SIGKILL");
        assert.equal(await opened(template, { COLOUR: "green" }), "green");
        await eventually(
          async () => (await template.refresh()).report?.pid ?? pid,
          (next) => next !== pid,
          { what: "another zygote of the generation that has served" },
        );
        assert.equal(template.servingGeneration, 2);
        assert.match(template.failure?.message ?? "", /broken/);
        await template.update({ ...common(), env: { COLOUR: "blue" } });
        await template.ready();
        assert.equal(template.servingGeneration, 4);
        assert.equal(await bus.call(call("colour", template)), "blue");
      });

      it("forget generations that are overtaken while they load", async () => {
        const template = await bus.templates.create({
          name: "changing",
          ...common(),
          env: { GATE: "/nowhere" },
        });
        for (let index = 0; index < 8; index++) {
          await template.update({ ...common(), env: { GATE: "/nowhere", COLOUR: String(index) } });
        }
        await template.update({ ...common(), env: { COLOUR: "last" } });
        await template.ready();
        assert.equal(template.servingGeneration, 10);
        assert.equal(await bus.call(call("colour", template)), "last");
        const { keeperPid } = daemon;
        assert.ok(keeperPid !== undefined);
        await eventually(
          () => childrenOf(keeperPid),
          (children) => children.length === 2,
          { what: "one zygote to be left, and its spare worker" },
        );
      });

      it("are deleted at any instant of their start, and can be made again at once", async () => {
        for (let round = 0; round < 10; round++) {
          const template = await bus.templates.create({ name: "brief", ...common() });
          if (round % 2 === 1) {
            await eventually(
              () => daemon.log.split('"zygote started"').length,
              (count) => count > round / 2,
            );
          }
          await template.delete();
          const again = await bus.templates.create({ name: "brief", ...common() });
          if (round % 3 === 0) await again.ready();
          await again.delete();
          const { keeperPid } = daemon;
          assert.ok(keeperPid !== undefined);
          await eventually(
            () => childrenOf(keeperPid),
            (children) => children.length === 0,
            { what: "no zygote to be left" },
          );
        }
      });

      it("are made of their parents, and follow them", async () => {
        const parent = await bus.templates.create({
          name: "p",
          ...common(),
          env: { COLOUR: "red" },
        });
        const child = await bus.templates.create({ name: "p/c", runtime, parent });
        const grandchild = await bus.templates.create({ name: "p/c/g", runtime, parent: child });
        await grandchild.ready();
        assert.equal(await bus.call(call("colour", grandchild)), "red");
        await assert.rejects(parent.delete(), { reason: "TEMPLATE_IN_USE" });
        await parent.update({ ...common(), env: { COLOUR: "green" } });
        await opened(child, { COLOUR: "green" });
        await opened(grandchild, { COLOUR: "green" });
        // A zygote that died is followed as well.
        await parent.refresh();
        process.kill(parent.report?.pid ?? NaN, "SIGKILL");
        await eventually(
          async () => [await parent.refresh(), await child.refresh(), await grandchild.refresh()],
          (all) => all.every(({ state }) => state === "ready"),
        );
        await opened(grandchild, { COLOUR: "green" });
        await grandchild.delete();
        await child.delete();
        await parent.delete();
      });

      it("fail with their parents, and are refused where there is none", async () => {
        const missing = bus.templates.create({ name: "c", runtime, parent: "nowhere" });
        await assert.rejects(missing, { reason: "TEMPLATE_NOT_FOUND" });
        const parent = await bus.templates.create({
          name: "p",
          ...common(),
          env: { BROKEN: "1" },
        });
        const child = await bus.templates.create({ name: "p/c", runtime, parent });
        await assert.rejects(parent.ready(), TemplateFailedError);
        await assert.rejects(child.ready(), TemplateFailedError);
        await assert.rejects(bus.call(call("colour", child)), TemplateFailedError);
        await parent.update({ ...common(), env: { COLOUR: "red" } });
        await parent.ready();
        await eventually(
          async () => (await child.refresh()).state,
          (state) => state === "ready",
          { what: "the child to follow its parent" },
        );
        assert.equal(await bus.call(call("colour", child)), "red");
      });

      it("leave nothing behind when a child is changed and deleted while its parent loads", async () => {
        const gate = files.file(randomUUID());
        const parent = await bus.templates.create({
          name: "p",
          ...common(),
          env: { GATE: gate },
        });
        const changed = await bus.templates.create({ name: "p/changed", runtime, parent });
        const deleted = await bus.templates.create({ name: "p/deleted", runtime, parent });
        for (const COLOUR of ["red", "green"]) await changed.update({ parent, env: { COLOUR } });
        await deleted.delete();
        await files.add(gate.slice(files.path.length + 1), "");
        await changed.ready();
        assert.equal(await bus.call(call("colour", changed)), "green");
        const again = await bus.templates.create({ name: "p/deleted", runtime, parent });
        await again.ready();
        const { keeperPid } = daemon;
        assert.ok(keeperPid !== undefined);
        await eventually(
          () => childrenOf(keeperPid),
          (children) => children.length === 4,
          { what: "one zygote of each template to be left, and a spare worker of the one in use" },
        );
      });

      it("keep warm workers: taken, killed, refilled, and of the newest generation", async () => {
        const warm = { ...common(), warmWorkers: 4 };
        const template = await bus.templates.create({
          name: "warm",
          ...warm,
          env: { COLOUR: "red" },
        });
        const filled = () =>
          eventually(
            async () => (await template.refresh()).warmWorkers,
            (count) => count === 4,
            { what: "four warm workers" },
          );
        await filled();
        const { keeperPid } = daemon;
        assert.ok(keeperPid !== undefined);
        await using taken = await bus.spawn(call("stay", template));
        assert.equal(taken.warm, true);
        await filled();
        const { report } = template;
        const held = childrenOf(keeperPid).filter(
          (pid) => pid !== report?.pid && pid !== taken.pid,
        );
        assert.equal(held.length, 4);
        for (const pid of held) process.kill(pid, "SIGKILL");
        // Also those that are taken before the news of their death has come.
        const colours = await Promise.all(
          Array.from({ length: 8 }, () => bus.call(call("colour", template))),
        );
        assert.deepEqual([...new Set(colours)], ["red"]);
        await filled();
        await template.update({ ...warm, env: { COLOUR: "green" } });
        await template.ready();
        await filled();
        assert.equal(await bus.call(call("colour", template)), "green");
        await filled();
        process.kill((await template.refresh()).report?.pid ?? NaN, "SIGKILL");
        assert.equal(await bus.call(call("colour", template)), "green");
        await filled();
        await eventually(
          () => childrenOf(keeperPid),
          // The zygote, the one that stays, and the warm ones.
          (children) => children.length === 6,
          { what: "no warm worker of another generation to be left" },
        );
      });
    });
  }
});
