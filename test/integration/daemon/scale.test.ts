import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type Process, ProcessState } from "../../../proto/gen/forkbus/v1/process.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { statusOf } from "./support/ended.js";
import { failure } from "./support/failure.js";
import { inFlight } from "./support/in-flight.js";
import { childrenOf, descriptorCount, rssBytes } from "./support/proc-fs.js";

const MIB = 1024 * 1024;
const IN_FLIGHT = 64;
const isSoak = process.env["FORKBUS_SOAK"] !== undefined;

/** The connection of this test and what Node opens when it likes to. */
const DESCRIPTOR_SLACK = 4;

const outputs = (daemon: DaemonHarness): number =>
  readdirSync(join(daemon.stateDir, "workers")).filter((name) => /^[0-9a-f]{32}$/.test(name))
    .length;

/** Files and directories; some come and go while they are counted. */
function inodes(directory: string): number {
  try {
    return readdirSync(directory, { withFileTypes: true }).reduce(
      (sum, entry) => sum + 1 + (entry.isDirectory() ? inodes(join(directory, entry.name)) : 0),
      0,
    );
  } catch {
    return 0;
  }
}

async function listAll(daemon: DaemonHarness): Promise<readonly Process[]> {
  const all: Process[] = [];
  let pageToken = "";
  do {
    const page = await daemon.processes.listProcesses({ pageSize: 1000, pageToken });
    all.push(...page.processes);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return all;
}

describe("a thousand workers", () => {
  it("start, are listed, and stop, and leave nothing behind", async () => {
    await using daemon = await DaemonHarness.start();
    const keeper = daemon.keeperPid ?? 0;
    const first = await daemon.create(["sleep", "600"]);
    const leaf = statusOf(first).cgroup;
    await daemon.processes.deleteProcess({ name: first.name, force: true });
    const leaves = (): number =>
      leaf === ""
        ? 0
        : readdirSync(join(leaf, "..")).filter((name) => /^[0-9a-f]{32}$/.test(name)).length;
    const counts = (): Record<string, number> => ({
      daemon: descriptorCount(daemon.pid),
      keeper: descriptorCount(keeper),
      children: childrenOf(keeper).length,
      outputs: outputs(daemon),
      leaves: leaves(),
    });
    const before = counts();

    const indexes = Array.from({ length: 1000 }, (_, n) => n);
    await inFlight(IN_FLIGHT, indexes, () => daemon.create(["sleep", "600"]));
    const workers = await listAll(daemon);
    assert.equal(workers.length, 1000);
    const running = workers.filter(({ status }) => status?.state === ProcessState.RUNNING);
    assert.equal(running.length, 1000);
    assert.equal(new Set(workers.map(({ status }) => status?.pid)).size, 1000);
    assert.equal(childrenOf(keeper).length, 1000);

    await inFlight(IN_FLIGHT, workers, ({ name }) => daemon.processes.stopProcess({ name }));
    const stopped = await listAll(daemon);
    assert.ok(stopped.every(({ status }) => status?.state === ProcessState.EXITED));
    await eventually(
      () => childrenOf(keeper),
      (children) => children.length === 0,
      { what: "the zombies to be gone" },
    );
    await inFlight(IN_FLIGHT, workers, ({ name }) => daemon.processes.deleteProcess({ name }));
    assert.deepEqual(await listAll(daemon), []);
    await eventually(
      counts,
      (now) =>
        Object.entries(now).every(
          ([what, count]) =>
            count <= (before[what] ?? 0) + (what === "daemon" ? DESCRIPTOR_SLACK : 0),
        ),
      { what: `no more of anything than there was before, ${JSON.stringify(before)}` },
    );
  });
});

describe("many short lives", () => {
  const total = isSoak ? 100_000 : 5000;
  const retained = 200;

  it(`leave memory and disk as they were, ${total} of them`, async () => {
    // A heap that may grow lazily hides leaks in its garbage. A leak in this one ends the daemon.
    const env = { NODE_OPTIONS: "--max-semi-space-size=1 --max-old-space-size=48" };
    const args = ["--retained-processes", String(retained)];
    await using daemon = await DaemonHarness.start({ args, env });
    const keeper = daemon.keeperPid ?? 0;
    const names: string[] = [];
    const live = async (): Promise<void> => {
      const { name } = await daemon.create(["true"], { stdout: 2, stderr: 2 });
      names.push(name);
      const end = await failure((options) =>
        daemon.processes.waitProcess({ name, waitMs: 60_000 }, options),
      );
      // It may have come and gone before the wait came.
      assert.ok(["OK", "NOT_FOUND/RECORD_EXPIRED"].includes(end), end);
    };
    const samples: { rss: number; inodes: number; keeper: number }[] = [];
    const steps = 10;
    for (let step = 0; step < steps; step++) {
      const share = Array.from({ length: total / steps }, (_, n) => n);
      await inFlight(32, share, live);
      samples.push({
        rss: rssBytes(daemon.pid),
        inodes: inodes(daemon.stateDir),
        keeper: rssBytes(keeper),
      });
    }
    const mebibytes = samples.map(({ rss }) => (rss / MIB).toFixed(0));
    process.stdout.write(`    daemon RSS, MiB: ${mebibytes.join(" ")}\n`);
    process.stdout.write(`    files: ${samples.map((sample) => sample.inodes).join(" ")}\n`);

    const warm = samples.slice(3, 6);
    const late = samples.slice(-3);
    const least = (of: typeof samples, what: keyof (typeof samples)[0]): number =>
      Math.min(...of.map((sample) => sample[what]));
    const grown = least(late, "rss") - least(warm, "rss");
    assert.ok(grown <= 16 * MIB, `the daemon has grown by ${(grown / MIB).toFixed(1)} MiB`);
    assert.ok(least(late, "keeper") <= 2 * MIB, `the keeper has ${least(late, "keeper")} bytes`);
    assert.ok(least(late, "inodes") <= least(warm, "inodes") + 100);

    await eventually(
      () => [outputs(daemon), childrenOf(keeper).length],
      ([directories = 0, children]) => directories <= retained && children === 0,
      { what: "what has expired to be gone" },
    );
    assert.equal((await listAll(daemon)).length, retained);
    const expired = names.slice(-Math.min(total, 9000), -2 * retained);
    for (const name of [expired[0], expired.at(-1)]) {
      assert.equal(
        await failure((options) => daemon.processes.getProcess({ name: name ?? "" }, options)),
        "NOT_FOUND/RECORD_EXPIRED",
      );
    }
    await daemon.crash();
    assert.equal((await listAll(daemon)).length, retained);
    assert.equal(
      await failure((options) => daemon.processes.getProcess({ name: expired[0] ?? "" }, options)),
      "NOT_FOUND/RECORD_EXPIRED",
    );
  });
});
