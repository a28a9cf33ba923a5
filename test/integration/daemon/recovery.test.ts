import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Process, ProcessState } from "../../../proto/gen/forkbus/v1/process.js";
import { packageRoot } from "../../../server/kernel/package-root.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { ended, exitOf, millisecondsOf, outcomeOf, statusOf } from "./support/ended.js";
import { failure } from "./support/failure.js";
import { hasWritten } from "./support/output-events.js";
import { inFlight } from "./support/in-flight.js";
import { isAlive } from "./support/proc-fs.js";
import { seeded } from "./support/seeded.js";

const WORKERS = 50;
const ROUNDS = 4;

/** A worker whose whole life is known beforehand, and that leaves a line where it cannot be lost. */
class Witness {
  readonly name: string;
  readonly code: number;
  readonly #lines: number;
  readonly #seconds: string;

  constructor(round: number, index: number, random: () => number) {
    this.name = `round-${round}/worker-${String(index).padStart(2, "0")}`;
    this.code = (index * 7) % 256;
    this.#lines = 1 + Math.floor(random() * 400);
    this.#seconds = (random() * 1.5).toFixed(2);
  }

  /** May be called any number of times: it makes one worker. */
  start(daemon: DaemonHarness, births: string): Promise<Process> {
    const { name, code } = this;
    const half = `seq -f "${name} %.0f" 1 ${this.#lines}`;
    const script = `echo ${name} >> ${births}; ${half}; sleep ${this.#seconds}; ${half} >&2; exit ${code}`;
    return daemon.create(
      ["sh", "-c", script],
      {},
      { name, requestId: `id-${name.replace("/", ":")}` },
    );
  }

  /** On each of its streams. */
  get output(): string {
    return Array.from({ length: this.#lines }, (_, n) => `${this.name} ${n + 1}\n`).join("");
  }
}

const outputDirectories = (daemon: DaemonHarness): readonly string[] =>
  readdirSync(join(daemon.stateDir, "workers")).filter((name) => /^[0-9a-f]{32}$/.test(name));

async function list(daemon: DaemonHarness): Promise<readonly Process[]> {
  return (await daemon.processes.listProcesses({ pageSize: 1000 })).processes;
}

describe("a daemon that was killed", () => {
  it("comes back with every worker once, its true status and its whole output", async () => {
    const random = seeded("kill -9");
    await using daemon = await DaemonHarness.start();
    const births = join(daemon.directory, "births");
    for (let round = 0; round < ROUNDS; round++) {
      const all = Array.from({ length: WORKERS }, (_, n) => new Witness(round, n, random));
      const early = all.slice(0, 10 + Math.floor(random() * 30));
      await inFlight(16, early, (witness) => witness.start(daemon, births));
      const atThatMoment = all.slice(early.length).map((witness) => witness.start(daemon, births));
      const settled = Promise.allSettled(atThatMoment);
      await delay(random() * 60);
      await daemon.kill();
      const answers = await settled;
      // Some end while nobody is there.
      await delay(random() * 500);
      await daemon.startDaemon();

      const late = all.slice(early.length);
      for (const [index, answer] of answers.entries()) {
        const again = await late[index]?.start(daemon, births);
        if (answer.status === "fulfilled") assert.equal(again?.uid, answer.value.uid);
      }
      const listed = (await list(daemon)).filter(({ name }) => name.startsWith(`round-${round}/`));
      assert.deepEqual(
        listed.map(({ name }) => name),
        all.map(({ name }) => name),
      );
      for (const witness of all) {
        const process = await ended(daemon, witness);
        assert.equal(outcomeOf(process), String(witness.code), witness.name);
        const { stdout, stderr } = await daemon.output(witness.name);
        assert.equal(stdout, witness.output);
        assert.equal(stderr, witness.output);
      }
    }
    const lines = readFileSync(births, "utf8").trim().split("\n").sort();
    assert.equal(lines.length, WORKERS * ROUNDS, "somebody was born twice, or never");
    assert.equal(new Set(lines).size, lines.length);
    assert.equal((await list(daemon)).length, WORKERS * ROUNDS);
  });

  it("goes on with the grace of a stop where it was", async () => {
    await using daemon = await DaemonHarness.start();
    const script = "trap '' TERM; echo ready; while :; do sleep 600 & wait; done";
    const { name } = await daemon.create(["sh", "-c", script]);
    await hasWritten(daemon, name, "ready");
    const graceMs = 3000;
    const stopped = Date.now();
    await daemon.processes.stopProcess({ name, stop: { graceMs }, waitMs: 0, requestId: "it" });
    await daemon.kill();
    // Long enough to tell a grace that goes on from one that begins again.
    await delay(1000);
    await daemon.startDaemon();
    const restarted = Date.now();
    const { process } = await daemon.processes.getProcess({ name });
    assert.equal(statusOf(process).state, ProcessState.STOPPING);
    const end = await ended(daemon, { name });
    assert.equal(outcomeOf(end), "SIGKILL");
    assert.equal(exitOf(end).requestId, "it");
    const time = millisecondsOf(exitOf(end).endTime);
    assert.ok(time >= stopped + graceMs - 10, `killed after ${time - stopped} ms`);
    assert.ok(time < restarted + graceMs - 100, `killed after ${time - stopped} ms`);
  });

  it("kills at once when the grace ran out while it was away", async () => {
    await using daemon = await DaemonHarness.start();
    const script = "trap '' TERM; echo ready; while :; do sleep 600 & wait; done";
    const { name } = await daemon.create(["sh", "-c", script]);
    await hasWritten(daemon, name, "ready");
    await daemon.processes.stopProcess({ name, stop: { graceMs: 50 }, waitMs: 0 });
    await daemon.crash();
    assert.equal(outcomeOf(await ended(daemon, { name })), "SIGKILL");
  });

  it("leaves no output without a record when it dies while it deletes", async () => {
    const random = seeded("delete");
    await using daemon = await DaemonHarness.start();
    for (let round = 0; round < 4; round++) {
      const script = "echo something; exit 3";
      const workers = await Promise.all(
        Array.from({ length: 12 }, () => daemon.create(["sh", "-c", script])),
      );
      for (const worker of workers) await ended(daemon, worker);
      const deletes = Promise.allSettled(
        workers.map(({ name }) => daemon.processes.deleteProcess({ name })),
      );
      await delay(random() * 15);
      await daemon.kill();
      const answers = await deletes;
      await daemon.startDaemon();
      const left = await list(daemon);
      assert.deepEqual(
        [...outputDirectories(daemon)].sort(),
        left.map(({ uid }) => uid.replaceAll("-", "")).sort(),
      );
      workers.forEach(({ name }, index) => {
        const isThere = left.some((process) => process.name === name);
        if (answers[index]?.status === "fulfilled") assert.equal(isThere, false, name);
      });
      for (const process of left) {
        assert.equal(outcomeOf(process), "3");
        assert.equal((await daemon.output(process.name)).stdout, "something\n");
        await daemon.processes.deleteProcess({ name: process.name });
      }
      assert.deepEqual(outputDirectories(daemon), []);
    }
  });
});

describe("a daemon that was stopped", () => {
  it("leaves its workers alone, and finds them again", async () => {
    await using daemon = await DaemonHarness.start();
    const workers = await Promise.all(
      Array.from({ length: 5 }, () => daemon.create(["sleep", "600"])),
    );
    const waiting = failure((options) =>
      daemon.processes.waitProcess({ name: workers[0]?.name ?? "" }, options),
    );
    // The wait has come through when another call on the same connection has.
    await daemon.processes.listProcesses({});
    assert.equal(await daemon.stop(), 0);
    assert.match(await waiting, /^UNAVAILABLE|^CANCELLED/);
    for (const worker of workers) assert.ok(isAlive(statusOf(worker).pid));
    await daemon.startDaemon();
    assert.deepEqual(
      (await list(daemon)).map(({ uid, status }) => [uid, status?.pid, status?.state]).sort(),
      workers.map(({ uid, status }) => [uid, status?.pid, ProcessState.RUNNING]).sort(),
    );
    const [first] = workers;
    assert.ok(first);
    const { process } = await daemon.processes.stopProcess({ name: first.name });
    assert.equal(outcomeOf(process), "SIGTERM");
  });

  it("takes a keeper without workers with it", async () => {
    await using daemon = await DaemonHarness.start();
    await ended(daemon, await daemon.create(["true"]));
    const keeper = daemon.keeperPid ?? 0;
    assert.ok(isAlive(keeper));
    assert.equal(await daemon.stop(), 0);
    await eventually(
      () => isAlive(keeper),
      (alive) => !alive,
    );
    await daemon.startDaemon();
    assert.equal((await list(daemon)).length, 1);
  });

  it("is the only one on its state directory", async () => {
    await using daemon = await DaemonHarness.start();
    const socket = join(daemon.directory, "second.sock");
    const second = spawnSync(
      process.execPath,
      [
        join(packageRoot, "dist/server/main.js"),
        ...["--state-dir", daemon.stateDir, "--listen", `unix:${socket}`],
      ],
      { encoding: "utf8", timeout: 30_000 },
    );
    assert.notEqual(second.status, 0);
    assert.notEqual(second.status, null);
    assert.match(second.stderr, new RegExp(`\\b${daemon.pid}\\b`));
    assert.match(second.stderr, new RegExp(daemon.stateDir));
    assert.equal(existsSync(socket), false);
    // The first one has not noticed.
    await ended(daemon, await daemon.create(["true"]));
  });
});
