import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type Client } from "../../../client/typescript/index.js";
import { type DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { childrenOf, isAlive } from "../daemon/support/proc-fs.js";
import { type FunctionFiles } from "./support/function-files.js";
import { ownWorkshop } from "./support/workshop.js";

const PYTHON = `
import os, time
while "GATE" in os.environ and not os.path.exists(os.environ["GATE"]):
    time.sleep(0.005)
def stay():
    time.sleep(600)
def give(value):
    return value
`;

const NODE = `
import { existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
const { GATE } = process.env;
while (GATE !== undefined && !existsSync(GATE)) await delay(5);
export const stay = () => delay(600_000);
export const give = (value) => value;
`;

const runtimes = ["python", "node"] as const;

describe("a keeper of fork servers that is killed", function () {
  this.timeout(120_000);
  let daemon: DaemonHarness;
  let bus: Client;
  let files: FunctionFiles;
  ownWorkshop({ "acts.py": PYTHON, "acts.mjs": NODE }, (shop) => {
    ({ daemon, bus, files } = shop);
  });

  const recipe = (runtime: "python" | "node") => ({
    runtime,
    modulePath: [files.path],
    preload: [runtime === "python" ? "acts" : files.file("acts.mjs")],
  });
  const call = (runtime: "python" | "node", name: string, args: readonly unknown[] = []) => {
    const options = { args, modulePath: [files.path], template: `${runtime}/t` };
    return runtime === "python"
      ? { python: `acts:${name}`, ...options }
      : { node: `./acts.mjs#${name}`, ...options };
  };

  /** Resolves when the next one is connected. */
  async function killKeeper(): Promise<readonly number[]> {
    const { keeperPid } = daemon;
    assert.ok(keeperPid !== undefined);
    const children = childrenOf(keeperPid);
    process.kill(keeperPid, "SIGKILL");
    await eventually(
      () => daemon.keeperPid,
      (pid) => pid !== undefined && pid !== keeperPid && isAlive(pid),
      { what: "another keeper" },
    );
    return children;
  }

  it("is followed by one with new zygotes; the old ones end, and workers are adopted", async () => {
    const workers = [];
    const pids = [];
    for (const runtime of runtimes) {
      const template = await bus.templates.create({
        name: `${runtime}/t`,
        ...recipe(runtime),
        warmWorkers: 2,
      });
      await template.ready();
      workers.push(await bus.spawn(call(runtime, "stay")));
      pids.push(template.report?.pid);
    }
    await eventually(
      () => childrenOf(daemon.keeperPid ?? 0),
      (children) => children.length === 8,
      { what: "warm workers" },
    );
    const filesOf = (): readonly string[] =>
      readdirSync(join(daemon.stateDir, "workers")).filter((name) => /^[0-9a-f]{32}$/.test(name));
    const before = new Set(filesOf());
    const children = await killKeeper();
    const kept = new Set(workers.map(({ pid }) => pid));
    await eventually(
      () => children.filter((pid) => !kept.has(pid) && isAlive(pid)),
      (alive) => alive.length === 0,
      { what: "zygotes and warm workers of the dead keeper to end" },
    );
    for (const [index, runtime] of runtimes.entries()) {
      assert.equal(await bus.call(call(runtime, "give", [index])), index);
      const template = await bus.templates.get(`${runtime}/t`);
      assert.equal(template.state, "ready");
      assert.notEqual(template.report?.pid, pids[index]);
    }
    for (const worker of workers) {
      await worker.refresh();
      assert.equal(worker.exit, undefined, "the worker was not adopted");
      assert.ok(isAlive(worker.pid ?? 0));
      await worker.kill();
      await worker.exited;
    }
    await eventually(
      () => childrenOf(daemon.keeperPid ?? 0),
      (left) => left.length === 6,
      { what: "zygotes and warm workers to be made anew, and nothing else" },
    );
    const names = new Set(workers.map(({ uid }) => uid.replaceAll("-", "")));
    const left = (): readonly string[] =>
      filesOf().filter((name) => before.has(name) && !names.has(name));
    await eventually(left, (those) => those.length === 0, {
      what: "files that nobody knows to go",
    });
  });

  it("while zygotes load is followed by one where they are loaded again", async () => {
    const gate = files.file("gate");
    for (const runtime of runtimes) {
      await bus.templates.create({ name: `${runtime}/t`, ...recipe(runtime), env: { GATE: gate } });
    }
    for (let round = 0; round < 3; round++) {
      await eventually(
        () => childrenOf(daemon.keeperPid ?? 0),
        (children) => children.length === 2,
        { what: "zygotes to load" },
      );
      await killKeeper();
    }
    await files.add("gate", "");
    for (const runtime of runtimes) {
      await (await bus.templates.get(`${runtime}/t`)).ready();
      assert.equal(await bus.call(call(runtime, "give", ["here"])), "here");
    }
  });

  for (const runtime of runtimes) {
    it(`while creates are under way costs those, and none after them, in ${runtime}`, async () => {
      const template = await bus.templates.create({ name: `${runtime}/t`, ...recipe(runtime) });
      await template.ready();
      for (let round = 0; round < 3; round++) {
        const calls = Array.from({ length: 40 }, (_, index) =>
          bus.call(call(runtime, "give", [index])).then(
            (value) => (value === index ? "made" : `wrong: ${String(value)}`),
            (error: unknown) =>
              error instanceof Error && "reason" in error
                ? String(error.reason)
                : error instanceof Error
                  ? error.name
                  : "",
          ),
        );
        await Promise.race(calls);
        await killKeeper();
        for (const said of await Promise.all(calls)) {
          assert.match(said, /^(made|KEEPER_UNREACHABLE|WorkerExitError|START_INTERRUPTED|)$/);
        }
      }
      // More than can be under way at once: no place is lost with a keeper.
      const after = Array.from({ length: 40 }, (_, index) =>
        bus.call(call(runtime, "give", [index])),
      );
      assert.deepEqual(await Promise.all(after), [...after.keys()]);
    });
  }
});
