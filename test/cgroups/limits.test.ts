import assert from "node:assert/strict";
import { readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import {
  type CallOptions,
  type Client,
  connect,
  type Process,
} from "../../client/typescript/index.js";
import { packageRoot } from "../../server/kernel/package-root.js";
import { cgroupMount } from "../support/cgroup-place.js";
import { DaemonHarness } from "../support/daemon-harness.js";
import { eventually } from "../support/eventually.js";
import { DelegatedGroup } from "./support/delegated-group.js";

const modulePath = [join(packageRoot, "test/cgroups/fixtures")];
const MiB = 1024 * 1024;
const env = { CGROUPS: cgroupMount() ?? "" };

const limits = {
  memoryMaxBytes: 512 * MiB,
  memoryHighBytes: 384 * MiB,
  pidsMax: 64,
  cpuWeight: 250,
  cpuMaxMilli: 1500,
};
const written = {
  "memory.max": String(512 * MiB),
  "memory.high": String(384 * MiB),
  "pids.max": "64",
  "cpu.weight": "250",
  "cpu.max": "150000 100000",
};
const files = Object.keys(written);

/** The same functions in both languages. */
const functions = {
  python: (name: string) => ({ python: `own_limits:${name}`, modulePath, env }),
  node: (name: string) => ({ node: `./own-limits.mjs#${name}`, modulePath, env }),
};

/** In the order in which they are asked for, as the worker that ran reads them. */
async function printed(worker: Process): Promise<Readonly<Record<string, string>>> {
  const lines = (await worker.stdout.text()).trim().split("\n");
  return Object.fromEntries(lines.map((line, index) => [files[index] ?? "", line]));
}

const printing = {
  argv: ["sh", "-c", `cd "$CGROUPS$(sed 's/^0:://' /proc/self/cgroup)" && cat ${files.join(" ")}`],
  env,
};

/** With time for an emulated machine. */
function startDaemon(wrapper: readonly string[]): Promise<DaemonHarness> {
  return DaemonHarness.start({ wrapper, args: ["--start-deadline-ms", "120000"] });
}

describe("limits of a tree, where the controllers of cgroup v2 are delegated", function () {
  this.timeout(600_000);
  let group: DelegatedGroup;
  let daemon: DaemonHarness;
  let bus: Client;

  before(async () => {
    group = new DelegatedGroup();
    daemon = await startDaemon(group.wrapper("keeper"));
    bus = await connect(daemon.address);
  });

  after(async () => {
    bus.close();
    await daemon[Symbol.asyncDispose]();
    await group[Symbol.asyncDispose]();
  });

  async function leafOf(worker: Process): Promise<string> {
    const { process } = await daemon.processes.getProcess({ name: worker.name });
    return process?.status?.cgroup ?? "";
  }

  const fileOf = async (worker: Process, file: string): Promise<string> =>
    readFileSync(join(await leafOf(worker), file), "utf8").trim();

  it("are what the keeper can enforce, sitting beside its workers", async () => {
    assert.equal(group.controlled, "cpu memory pids");
    const { checks } = await bus.admin.diagnose({});
    const found = checks.find(({ name }) => name === "cgroup.limits");
    assert.equal(found?.outcome, 1, JSON.stringify(found));
  });

  it("are in force before the first instruction of a program", async () => {
    const worker = await bus.spawn({ ...printing, limits });
    await worker.join();
    assert.deepEqual(await printed(worker), written);
    assert.deepEqual(worker.unenforcedLimits, []);
  });

  it("are none that are not asked for", async () => {
    const worker = await bus.spawn(printing);
    await worker.join();
    assert.deepEqual(await printed(worker), {
      "memory.max": "max",
      "memory.high": "max",
      "pids.max": "max",
      "cpu.weight": "100",
      "cpu.max": "max 100000",
    });
  });

  for (const [language, target] of Object.entries(functions)) {
    for (const method of ["spawn", "forkserver"] as const) {
      it(`hold for what is started by ${method} in ${language}`, async () => {
        const found = await bus.call({ ...target("limits"), args: [files], method, limits });
        assert.deepEqual(found, written);
      });
    }

    it(`hold for what is forked from a live worker in ${language}, and for it alone`, async () => {
      const parent = await bus.spawn({ ...target("serve"), limits: { pidsMax: 77 } });
      await eventually(
        () => parent.refresh(),
        (process) => process.servesForks,
      );
      const call = { ...target("limits"), args: [files], forkFrom: parent };
      assert.deepEqual(await bus.call({ ...call, limits }), written);
      assert.equal(await fileOf(parent, "pids.max"), "77");
      await parent.stop();
    });

    it(`hold for a worker of ${language} that was forked before it was asked for`, async () => {
      const template = await bus.templates.ensure({
        name: `warm-${language}`,
        runtime: language === "python" ? "python" : "node",
        warmWorkers: 1,
        ...(language === "python" ? { modulePath } : {}),
      });
      await eventually(
        () => template.refresh(),
        ({ warmWorkers }) => warmWorkers === 1,
        { what: "a warm worker", withinMs: 60_000 },
      );
      const call = { ...target("limits"), args: [files], template: template.name, limits };
      const worker = await bus.spawn(call);
      assert.deepEqual(await worker.result(), written);
      assert.equal(worker.warm, true);
      await bus.templates.delete(template.name);
    });

    it(`of memory end what takes more in ${language}`, async () => {
      const fill = (size: number): CallOptions => ({
        ...target("fill"),
        args: [size],
        limits: { memoryMaxBytes: 96 * MiB },
      });
      assert.equal(await bus.call(fill(MiB)), MiB);
      const greedy = await bus.spawn(fill(512 * MiB));
      await greedy.join();
      assert.equal(greedy.exitCode, -9);
    });
  }

  it("leave room for a forked function alone", async () => {
    const read = { ...functions.python("limits"), args: [["pids.max"]] };
    const found = await bus.call({ ...read, limits: { pidsMax: 1 } });
    assert.deepEqual(found, { "pids.max": "1" });
  });

  it("of processes are for the tree together", async () => {
    const script = "for i in 1 2 3 4 5 6; do (exec sleep 600) & done; wait";
    const worker = await bus.spawn({ argv: ["bash", "-c", script], limits: { pidsMax: 4 } });
    await eventually(
      () => fileOf(worker, "pids.events"),
      (text) => !text.endsWith(" 0"),
    );
    assert.equal(await fileOf(worker, "pids.current"), "4");
    await worker.stop({ graceMs: 0 });
  });

  it("of CPU time hold back what would take more", async () => {
    const argv = ["sh", "-c", "while :; do :; done"];
    const worker = await bus.spawn({ argv, limits: { cpuMaxMilli: 100 } });
    const throttled = async (): Promise<number> =>
      Number(/nr_throttled (\d+)/.exec(await fileOf(worker, "cpu.stat"))?.[1]);
    await eventually(throttled, (periods) => periods >= 5);
    await worker.stop({ graceMs: 0 });
  });

  it("that the kernel refuses fail the create, and leave nothing", async () => {
    const before = (await daemon.processes.listProcesses({})).processes.length;
    await assert.rejects(bus.spawn({ argv: ["true"], limits: { cpuWeight: 10_001 } }), {
      reason: "INVALID_FIELD",
    });
    assert.equal((await daemon.processes.listProcesses({})).processes.length, before);
  });

  it("outlive the keeper that set them", async () => {
    const worker = await bus.spawn({ argv: ["sleep", "600"], limits });
    const keeper = daemon.keeperPid ?? 0;
    process.kill(keeper, "SIGKILL");
    await eventually(
      () => daemon.keeperPid,
      (pid) => pid !== undefined && pid !== keeper,
      { what: "another keeper" },
    );
    await eventually(
      () => bus.spawn({ argv: ["true"], limits }).catch(() => undefined),
      (next) => next !== undefined,
    );
    for (const [file, value] of Object.entries(written)) {
      assert.equal(await fileOf(worker, file), value, file);
    }
    await worker.stop();
  });
});

describe("limits of a tree, where the keeper sits above its workers", function () {
  this.timeout(600_000);

  it("fail the create, or are left out where best effort is enough; doctor says why", async () => {
    await using group = new DelegatedGroup();
    await using daemon = await startDaemon(group.wrapper(""));
    await using bus = await connect(daemon.address);
    await assert.rejects(bus.spawn({ ...printing, limits }), {
      reason: "KERNEL_FEATURE_MISSING",
      message: /spec\.limits\.memory_max_bytes needs the memory controller/,
    });
    const modest = await bus.spawn({
      argv: ["sleep", "600"],
      limits: { ...limits, bestEffort: true },
    });
    assert.deepEqual(modest.unenforcedLimits, [
      "memory_max_bytes",
      "memory_high_bytes",
      "pids_max",
      "cpu_weight",
      "cpu_max_milli",
    ]);
    const { checks } = await bus.admin.diagnose({});
    const found = checks.find(({ name }) => name === "cgroup.limits");
    assert.match(`${found?.message} ${found?.remedy}`, /sits in .* DelegateSubgroup=keeper/);
    assert.equal(group.controlled, "");
    await modest.stop();
  });
});

describe("limits of a tree, after somebody has removed the empty directory of all leaves", function () {
  this.timeout(600_000);

  it("are in force as before", async () => {
    await using group = new DelegatedGroup();
    await using daemon = await startDaemon(group.wrapper("keeper"));
    await using bus = await connect(daemon.address);
    rmdirSync(join(group.path, "workers"));
    const worker = await bus.spawn({ ...printing, limits });
    await worker.join();
    assert.deepEqual(await printed(worker), written);
  });
});
