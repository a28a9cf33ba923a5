import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  appendFileSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type Process, ProcessState } from "../../../proto/gen/forkbus/v1/process.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { ended, outcomeOf, statusOf } from "./support/ended.js";
import { isAlive } from "./support/proc-fs.js";
import { seeded } from "./support/seeded.js";

const RECOVERED = "forkbus/recovered";

/** The files that hold records, oldest first. */
function files(daemon: DaemonHarness, kinds = "segment|snapshot"): readonly string[] {
  const directory = join(daemon.stateDir, "journal");
  return readdirSync(directory)
    .filter((name) => new RegExp(`^(${kinds})-\\d+$`).test(name))
    .sort()
    .map((name) => join(directory, name));
}

/** Where the log ends. A daemon that has changed nothing yet has none, so something is changed. */
async function lastSegment(daemon: DaemonHarness): Promise<string> {
  await daemon.processes.deleteProcess({ name: (await daemon.create(["true"])).name, force: true });
  await daemon.kill();
  const path = files(daemon, "segment").at(-1);
  assert.ok(path !== undefined, "no segment");
  return path;
}

function flipBit(path: string, at: number, bit: number): void {
  const bytes = readFileSync(path);
  bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << bit), at);
  writeFileSync(path, bytes);
}

async function list(daemon: DaemonHarness): Promise<readonly Process[]> {
  return (await daemon.processes.listProcesses({ pageSize: 1000 })).processes;
}

describe("a daemon whose journal was damaged while it was down", () => {
  async function withWorkers(): Promise<{ daemon: DaemonHarness; workers: readonly Process[] }> {
    const daemon = await DaemonHarness.start();
    const workers: Process[] = [];
    for (let n = 0; n < 5; n++) {
      workers.push(await daemon.create(["sleep", "600"], {}, { name: `worker-${n}` }));
    }
    return { daemon, workers };
  }

  /** The same workers are there, running, whether their records were lost or not. */
  async function allThere(daemon: DaemonHarness, workers: readonly Process[]): Promise<void> {
    // A delete that was torn off is undone: what was deleted had ended.
    const isAlien = ({ uid }: Process): boolean => workers.every((worker) => worker.uid !== uid);
    const all = await list(daemon);
    for (const alien of all.filter(isAlien)) {
      await ended(daemon, alien);
      await daemon.processes.deleteProcess({ name: alien.name });
    }
    const found = all.filter((process) => !isAlien(process));
    assert.deepEqual(found.map(({ uid }) => uid).sort(), workers.map(({ uid }) => uid).sort());
    for (const { uid, status, name, labels } of found) {
      const before = workers.find((worker) => worker.uid === uid);
      assert.equal(status?.state, ProcessState.RUNNING);
      assert.equal(status.pid, statusOf(before).pid);
      assert.ok(isAlive(status.pid));
      if (labels[RECOVERED] !== "true") assert.equal(name, before?.name);
    }
  }

  it("starts when garbage follows the last record", async () => {
    const { daemon, workers } = await withWorkers();
    await using _daemon = daemon;
    for (const bytes of [1, 7, 300, 5000]) {
      appendFileSync(await lastSegment(daemon), randomBytes(bytes));
      await daemon.startDaemon();
      await allThere(daemon, workers);
      for (const { labels } of await list(daemon)) assert.deepEqual(labels, {});
    }
  });

  it("starts when the last record was torn off", async () => {
    const { daemon, workers } = await withWorkers();
    await using _daemon = daemon;
    for (const bytes of [1, 9, 200]) {
      const path = await lastSegment(daemon);
      truncateSync(path, Math.max(0, statSync(path).size - bytes));
      await daemon.startDaemon();
      await allThere(daemon, workers);
    }
  });

  it("starts with a flipped bit anywhere, and loses sight of no worker", async () => {
    const random = seeded("flipped bit");
    const { daemon, workers } = await withWorkers();
    await using _daemon = daemon;
    for (let round = 0; round < 5; round++) {
      await daemon.kill();
      const all = files(daemon);
      const path = all[Math.floor(random() * all.length)];
      assert.ok(path !== undefined);
      flipBit(path, Math.floor(random() * statSync(path).size), Math.floor(random() * 8));
      await daemon.startDaemon();
      await allThere(daemon, workers);
    }
  });

  it("takes a worker in again whose record is lost, and says so", async () => {
    const { daemon, workers } = await withWorkers();
    await using _daemon = daemon;
    const victim = workers[2];
    assert.ok(victim);
    await daemon.kill();
    let hits = 0;
    for (const path of files(daemon)) {
      const bytes = readFileSync(path);
      for (let at = bytes.indexOf(victim.name); at >= 0; at = bytes.indexOf(victim.name, at + 1)) {
        bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
        hits++;
      }
      writeFileSync(path, bytes);
    }
    assert.ok(hits > 0, "the journal holds names as they are");
    await daemon.startDaemon();
    await allThere(daemon, workers);
    const recovered = (await list(daemon)).filter(({ labels }) => labels[RECOVERED] === "true");
    assert.deepEqual(
      recovered.map(({ uid }) => uid),
      [victim.uid],
    );
    const name = recovered[0]?.name ?? "";
    const { process } = await daemon.processes.stopProcess({ name });
    assert.equal(outcomeOf(process), "SIGTERM");
    await daemon.processes.deleteProcess({ name });
    assert.equal(outcomeOf(await ended(daemon, await daemon.create(["false"]))), "1");
  });
});
