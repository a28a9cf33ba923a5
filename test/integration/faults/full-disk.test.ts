import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { ServerState } from "../../../proto/gen/forkbus/v1/admin.js";
import { ProcessState } from "../../../proto/gen/forkbus/v1/process.js";
import { connect, WorkerError, WorkerExitError } from "../../../client/typescript/index.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { FunctionFiles } from "../templates/support/function-files.js";
import { whyNoMounts } from "./dead-mount.js";
import { checkRefusal, type Refusal, refusalOf } from "./refusal.js";
import { SmallDisk } from "./small-disk.js";
import { checkStillWorks } from "./still-works.js";

const MIB = 1024 * 1024;

const PYTHON = `
def fill(path, leave):
    """Leaves so many bytes of room, and gives back more than that."""
    with open(path, "wb", 0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                pass
        file.truncate(file.tell() - leave)
    return "x" * (1 << 20)
`;

const NODE = `
import { closeSync, fstatSync, ftruncateSync, openSync, writeSync } from "node:fs";
export function fill(path, leave) {
  const file = openSync(path, "a");
  for (const size of [1 << 20, 1 << 12]) {
    try {
      while (writeSync(file, Buffer.alloc(size)));
    } catch {}
  }
  ftruncateSync(file, fstatSync(file).size - leave);
  closeSync(file);
  return "x".repeat(1 << 20);
}
`;
const EXITS = [0, 1, 7, 255];

describe("a full disk", () => {
  before(function () {
    const why = whyNoMounts();
    if (why !== undefined) {
      process.stdout.write(`    skipped: ${why}\n`);
      this.skip();
    }
  });

  it("is ENOSPC for a worker that writes, which lives on", async () => {
    await using disk = await SmallDisk.mount(16);
    await using daemon = await start(disk);
    const script =
      'head -c 67108864 /dev/zero; status=$?; read line; echo $status > "$OUT"; exit 5';
    const out = join(daemon.directory, "status");
    const { name } = await daemon.create(["sh", "-c", script], {
      openStdin: true,
      env: { OUT: out },
    });
    await daemon.processes.writeStdin({ name, data: Buffer.from("go\n") });
    const { process: ended } = await daemon.processes.waitProcess({ name });
    assert.deepEqual(ended?.status?.exit?.outcome, { $case: "exitCode", value: 5 });
    assert.ok((ended.status.stdout?.end?.offset ?? 0n) > 8n * BigInt(MIB));
    await daemon.processes.deleteProcess({ name });
    await checkStillWorks(daemon, { pid: daemon.pid, keeperPid: daemon.keeperPid });
  });

  it("leaves a function without its result, which says so if there is room for that", async () => {
    await using disk = await SmallDisk.mount(16);
    await using daemon = await start(disk);
    await using bus = await connect(daemon.address);
    await using files = await FunctionFiles.write({ "full.py": PYTHON, "full.mjs": NODE });
    const modulePath = [files.path];
    for (const target of [{ python: "full:fill" }, { node: "./full.mjs#fill" }]) {
      // Loaded before there is no more room for that.
      await bus.templates.get("python" in target ? "python" : "node").then((one) => one.ready());
      for (const [leave, raised] of [
        [128 * 1024, "ResultLost"],
        [0, undefined],
      ] as const) {
        const args = [join(disk.path, "full"), leave];
        const worker = await bus.spawn({ ...target, modulePath, args });
        const error = await worker.result().catch((thrown: unknown) => thrown);
        disk.free("full");
        const exit = await worker.exited;
        assert.ok(exit.kind === "exited" && exit.code === 1, JSON.stringify(exit));
        if (raised === undefined) assert.ok(error instanceof WorkerExitError, String(error));
        else {
          assert.ok(error instanceof WorkerError, String(error));
          assert.equal(error.type, raised);
          assert.match(error.message, /could not be written: .*[Nn]o space left/);
        }
      }
    }
  });

  it("refuses creates, loses no exit, and serves readers across a restart", async () => {
    await using disk = await SmallDisk.mount(16);
    await using daemon = await start(disk);
    const workers = await Promise.all(
      EXITS.map((code) =>
        daemon.create(["sh", "-c", `echo ${code}; read line; exit ${code}`], { openStdin: true }),
      ),
    );
    const stubborn = await daemon.create(["sh", "-c", "trap '' TERM; echo on; sleep 600 & wait"]);
    const keeperPid = daemon.keeperPid;
    disk.fill();

    const made = await createUntilRefused(daemon);
    checkRefusal(made.refusal, { status: "RESOURCE_EXHAUSTED/DISK_FULL", names: [] });
    const known = new Set([...workers, stubborn, ...made.names].map((each) => nameOf(each)));
    assert.deepEqual(await listed(daemon), [...known].sort(), "nothing of it is left behind");

    for (const { name } of workers) await daemon.processes.closeStdin({ name });
    for (const [index, { name }] of workers.entries()) {
      const { process: ended } = await daemon.processes.waitProcess({ name });
      assert.deepEqual(ended?.status?.exit?.outcome, { $case: "exitCode", value: EXITS[index] });
    }
    const stop = { signal: "TERM", graceMs: 600_000 };
    await daemon.processes.stopProcess({ name: stubborn.name, stop, waitMs: 0 });
    const degraded = await eventually(
      () => daemon.admin.getServerStatus({}),
      ({ state }) => state === ServerState.DEGRADED,
      { what: "the daemon to say that it cannot keep records" },
    );
    assert.match(degraded.warnings.join("\n"), /Records cannot be kept.*journal/);

    // What could not be written is no reason to fail at the end, either.
    assert.equal(await daemon.stop(), 0, daemon.log);
    await daemon.startDaemon();
    await daemon.crash();
    assert.equal(daemon.keeperPid, keeperPid);
    assert.deepEqual(await listed(daemon), [...known].sort());
    await checkExits(daemon, workers);
    checkRefusal((await createUntilRefused(daemon)).refusal, {
      status: "RESOURCE_EXHAUSTED/DISK_FULL",
      names: [],
    });

    disk.free();
    await checkStillWorks(daemon, { pid: daemon.pid, keeperPid });
    await eventually(
      async () => (await daemon.admin.getServerStatus({})).state,
      (state) => state === ServerState.SERVING,
      { what: "all records to be kept" },
    );
    await daemon.crash();
    await checkExits(daemon, workers);
    await daemon.processes.deleteProcess({ name: stubborn.name, force: true });
    for (const name of await listed(daemon)) await daemon.processes.deleteProcess({ name });
    assert.deepEqual(
      readdirSync(join(daemon.stateDir, "workers"), { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name),
      [],
      "no output is left behind",
    );
    await checkStillWorks(daemon, { pid: daemon.pid, keeperPid });
  });

  it("lets records be deleted, which makes room", async () => {
    await using disk = await SmallDisk.mount(16);
    await using daemon = await start(disk);
    const { name } = await daemon.create(["head", "-c", String(4 * MIB), "/dev/zero"]);
    await daemon.processes.waitProcess({ name });
    disk.fill();
    await createUntilRefused(daemon);
    await daemon.processes.deleteProcess({ name });
    await checkStillWorks(daemon, { pid: daemon.pid, keeperPid: daemon.keeperPid });
  });
});

function start(disk: SmallDisk): Promise<DaemonHarness> {
  return DaemonHarness.start({
    stateDir: join(disk.path, "state"),
    args: ["--log-reserve-bytes", "0"],
  });
}

/** A few may still fit in what the journal has of its last page. */
async function createUntilRefused(
  daemon: DaemonHarness,
): Promise<{ readonly names: readonly string[]; readonly refusal: Refusal }> {
  const names: string[] = [];
  const refusal = await refusalOf(async (options) => {
    for (let creates = 0; creates < 100; creates++) {
      const { process: made } = await daemon.processes.createProcess(
        { process: { spec: { target: { $case: "exec", value: { argv: ["true"] } } } } },
        options,
      );
      names.push(made?.name ?? "");
    }
  });
  return { names, refusal };
}

async function checkExits(
  daemon: DaemonHarness,
  workers: readonly { readonly name: string }[],
): Promise<void> {
  for (const [index, { name }] of workers.entries()) {
    const { process: known } = await daemon.processes.getProcess({ name });
    assert.equal(known?.status?.state, ProcessState.EXITED);
    assert.deepEqual(known.status.exit?.outcome, { $case: "exitCode", value: EXITS[index] });
    assert.equal((await daemon.output(name)).stdout, `${EXITS[index] ?? ""}\n`);
  }
}

async function listed(daemon: DaemonHarness): Promise<readonly string[]> {
  const { processes } = await daemon.processes.listProcesses({ pageSize: 1000 });
  return processes.map(({ name }) => name);
}

function nameOf(process: string | { readonly name: string }): string {
  return typeof process === "string" ? process : process.name;
}
