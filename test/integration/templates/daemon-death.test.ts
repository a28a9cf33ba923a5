import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { Runtime } from "../../../proto/gen/forkbus/v1/types.js";
import {
  type Client,
  connect,
  type Template,
  TemplateFailedError,
} from "../../../client/typescript/index.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { inFlight } from "../daemon/support/in-flight.js";
import { childrenOf, isAlive } from "../daemon/support/proc-fs.js";
import { seeded } from "../daemon/support/seeded.js";
import { FunctionFiles } from "./support/function-files.js";

const PYTHON = `
import os, time
with open(os.path.join(os.path.dirname(__file__), "loads"), "a") as file:
    file.write("python\\n")
while "GATE" in os.environ and not os.path.exists(os.environ["GATE"]):
    time.sleep(0.005)
def born(births, name):
    with open(births, "a") as file:
        file.write(name + "\\n")
    time.sleep(600)
def colour():
    return os.environ["COLOUR"]
def give(value):
    return value
def serve():
    global memory
    memory = "kept"
    import _forkbus_zygote
    _forkbus_zygote.current().serve_forks()
def remembered():
    return memory
`;

const NODE = `
import { appendFileSync, existsSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
let memory = "";
appendFileSync(new URL("loads", import.meta.url), "node\\n");
const { GATE } = process.env;
while (GATE !== undefined && !existsSync(GATE)) await delay(5);
export function born(births, name) {
  appendFileSync(births, name + "\\n");
  return delay(600_000);
}
export const colour = () => process.env.COLOUR;
export const give = (value) => value;
export async function serve() {
  memory = "kept";
  await globalThis[Symbol.for("forkbus.worker")].serveForks();
}
export const remembered = () => memory;
`;

const CREATES = 50;

describe("a daemon that is killed", function () {
  this.timeout(120_000);
  let daemon: DaemonHarness;
  let bus: Client;
  let files: FunctionFiles;

  beforeEach(async () => {
    files = await FunctionFiles.write({ "acts.py": PYTHON, "acts.mjs": NODE, loads: "" });
    daemon = await DaemonHarness.start();
    bus = await connect(daemon.address);
  });

  afterEach(async () => {
    bus.close();
    await daemon[Symbol.asyncDispose]();
    await files[Symbol.asyncDispose]();
  });

  const runtimes = ["python", "node"] as const;
  type Language = (typeof runtimes)[number];

  const recipe = (runtime: Language) => ({
    runtime,
    modulePath: [files.path],
    preload: [runtime === "python" ? "acts" : files.file("acts.mjs")],
  });
  const call = (runtime: Language, name: string, args: readonly unknown[] = []) => {
    const modulePath = [files.path];
    return runtime === "python"
      ? { python: `acts:${name}`, args, modulePath }
      : { node: `./acts.mjs#${name}`, args, modulePath };
  };

  const loads = async (): Promise<number> =>
    (await readFile(files.file("loads"), "utf8")).split("\n").length - 1;

  async function crash(): Promise<void> {
    bus.close();
    await daemon.crash();
    bus = await connect(daemon.address);
  }

  function keeperChildren(): readonly number[] {
    const { keeperPid } = daemon;
    assert.ok(keeperPid !== undefined);
    return childrenOf(keeperPid);
  }

  async function nothingUnknown(): Promise<void> {
    for await (const worker of bus.list()) {
      assert.equal(worker.latest.labels["forkbus/recovered"], undefined, `${worker.name} unknown`);
    }
  }

  async function ready(template: Template): Promise<Template> {
    await template.ready();
    await template.refresh();
    assert.ok((template.report?.pid ?? 0) > 0);
    return template;
  }

  it("leaves zygotes that the next one takes over, without loading anything again", async () => {
    const before = [];
    for (const runtime of runtimes) {
      before.push(
        await ready(await bus.templates.create({ name: runtime + "/t", ...recipe(runtime) })),
      );
    }
    const pids = before.map(({ report }) => report?.pid);
    assert.equal(await loads(), 2);
    for (let round = 0; round < 3; round++) {
      await crash();
      const after = await Promise.all(
        runtimes.map(async (runtime) => ready(await bus.templates.get(runtime + "/t"))),
      );
      assert.deepEqual(
        after.map(({ report }) => report?.pid),
        pids,
      );
      for (const [index, runtime] of runtimes.entries()) {
        const template = after[index] ?? "";
        assert.equal(await bus.call({ ...call(runtime, "give", [round]), template }), round);
      }
    }
    assert.equal(await loads(), 2);
    await eventually(keeperChildren, (children) => children.length === 4, {
      what: "the zygotes, and a spare worker of each, to be all that is there",
    });
    await nothingUnknown();
  });

  it("leaves the generation that served where a newer one has failed", async () => {
    for (const runtime of runtimes) {
      const spec = { ...recipe(runtime), env: { COLOUR: "red" } };
      const name = `${runtime}/t`;
      const template = await ready(await bus.templates.create({ name, ...spec, warmWorkers: 1 }));
      const { report } = template;
      const preload = ["no-such-module"];
      await template.update({ ...spec, env: { COLOUR: "blue" }, preload });
      await assert.rejects(template.ready(), TemplateFailedError);
      await crash();
      const next = await bus.templates.get(name);
      await assert.rejects(next.ready(), TemplateFailedError);
      assert.equal(next.state, "ready");
      assert.deepEqual([next.servingGeneration, next.newestGeneration], [1, 2]);
      assert.equal(next.report?.pid, report?.pid);
      const child = await bus.spawn({ ...call(runtime, "colour"), template: name });
      assert.equal(await child.result(), "red");
      assert.equal(child.latest.status?.templateGeneration, 1n);
    }
    assert.equal(await loads(), 2);
  });

  it("while zygotes load is followed by one that loads them again, each once", async () => {
    const gate = files.file("gate");
    for (const runtime of runtimes) {
      const env = { GATE: gate };
      await bus.templates.create({ name: runtime + "/slow", ...recipe(runtime), env });
      const parent = runtime + "/slow";
      await bus.templates.create({ name: runtime + "/slow/child", runtime, parent });
    }
    for (let round = 0; round < 3; round++) {
      await eventually(loads, (count) => count >= 2 * (round + 1), { what: "zygotes to load" });
      await crash();
    }
    await writeFile(gate, "");
    for (const runtime of runtimes) {
      const template = await bus.templates.get(runtime + "/slow/child");
      await ready(template);
      assert.equal(await bus.call({ ...call(runtime, "give", [1]), template }), 1);
    }
    await eventually(keeperChildren, (children) => children.length === 6, {
      what: "one zygote of each template to be left, and a spare worker of those in use",
    });
    await nothingUnknown();
  });

  for (const runtime of runtimes) {
    it(`while creates are under way is followed by one that makes each once, in ${runtime}`, async () => {
      const random = seeded(`deaths of a daemon of ${runtime}`);
      const births = files.file("births");
      await writeFile(births, "");
      const template = await ready(
        await bus.templates.create({ name: "t", ...recipe(runtime), warmWorkers: 4 }),
      );
      const pid = template.report?.pid ?? 0;
      const names = Array.from({ length: CREATES }, (_, index) => `w-${index}`);
      let born = 0;
      const creates = inFlight(24, names, async (name) => {
        const requestId = randomUUID();
        const args = Buffer.from(JSON.stringify([births, name]));
        const value = {
          function: runtime === "python" ? "acts:born" : "./acts.mjs#born",
          arguments: { data: args, encoding: "json" },
          modulePath: [files.path],
        };
        const target =
          runtime === "python"
            ? { $case: "python" as const, value }
            : { $case: "node" as const, value };
        const request = { requestId, process: { name, spec: { target, template: "t" } } };
        await eventually(
          () =>
            daemon.processes.createProcess(request).then(
              () => "made",
              (error: unknown) => String(error),
            ),
          (said) => said === "made",
          { what: `${name} to be made`, withinMs: 60_000 },
        );
        born++;
      });
      for (let round = 0; round < 4; round++) {
        const due = Math.min(CREATES, born + 1 + Math.floor(random() * 12));
        await eventually(
          () => born,
          (count) => count >= due,
          { what: "workers", withinMs: 60_000 },
        );
        await daemon.crash();
      }
      await creates;
      bus.close();
      bus = await connect(daemon.address);
      const lines = async () => (await readFile(births, "utf8")).trim().split("\n").sort();
      await eventually(lines, (seen) => seen.length >= CREATES, { what: "every worker to begin" });
      assert.deepEqual(await lines(), names.sort());
      const after = await ready(await bus.templates.get("t"));
      assert.equal(after.report?.pid, pid, "the zygote was not taken over");
      await eventually(
        async () => [(await after.refresh()).warmWorkers, keeperChildren().length],
        ([warm, all]) => warm === 4 && all === CREATES + 4 + 1,
        { what: "no process that nobody knows" },
      );
      await nothingUnknown();
    });
  }

  it("with a worker that serves forks is followed by one that forks from it", async () => {
    for (const runtime of runtimes) {
      await bus.spawn({ ...call(runtime, "serve"), name: `${runtime}/server` });
      await eventually(
        () => bus.attach(`${runtime}/server`),
        (process) => process.servesForks,
        { what: "it to serve" },
      );
    }
    await crash();
    for (const runtime of runtimes) {
      const server = await bus.attach(`${runtime}/server`);
      assert.equal(server.servesForks, true);
      const child = { ...call(runtime, "remembered"), forkFrom: server };
      assert.equal(await bus.call(child), "kept");
      await server.release();
      assert.equal((await server.exited).kind, "exited");
      assert.equal(server.exitCode, 0);
    }
    await nothingUnknown();
  });

  it("by SIGTERM ends zygotes and keeper where no worker is left", async () => {
    for (const runtime of runtimes) {
      const spec = { ...recipe(runtime), warmWorkers: 2 };
      await ready(await bus.templates.create({ name: runtime + "/t", ...spec }));
      assert.equal(await bus.call(call(runtime, "give", [1])), 1);
    }
    const { keeperPid } = daemon;
    assert.ok(keeperPid !== undefined);
    const children = keeperChildren();
    assert.equal(await daemon.stop(), 0);
    await eventually(
      () => [keeperPid, ...children].filter(isAlive),
      (alive) => alive.length === 0,
      { what: "everything to be gone", withinMs: 5000 },
    );
  });

  it("by SIGTERM leaves zygotes to the next one where a worker is left", async () => {
    const template = await ready(
      await bus.templates.create({ name: "t", ...recipe("python"), warmWorkers: 2 }),
    );
    const births = files.file("births");
    const worker = await bus.spawn({ ...call("python", "born", [births, "w"]), template });
    const pid = template.report?.pid;
    await daemon.stop();
    await daemon.startDaemon();
    bus.close();
    bus = await connect(daemon.address);
    const after = await ready(await bus.templates.get("t"));
    assert.equal(after.report?.pid, pid);
    assert.equal((await bus.attach(worker.name)).pid, worker.pid);
    await eventually(
      async () => [(await after.refresh()).warmWorkers, keeperChildren().length],
      ([warm, all]) => warm === 2 && all === 4,
      { what: "the warm workers to be made anew" },
    );
    assert.equal(Runtime.PYTHON, after.latest.spec?.runtime);
    await nothingUnknown();
  });
});
