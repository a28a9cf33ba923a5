import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { release } from "node:os";
import {
  ExitCause,
  ExitSource,
  LostReason,
  type Process,
  ProcessState,
} from "../../../proto/gen/forkbus/v1/process.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { ended, exitOf, outcomeOf, statusOf } from "./support/ended.js";
import { failure } from "./support/failure.js";
import { hasWritten, readOutput } from "./support/output-events.js";
import { isAlive } from "./support/proc-fs.js";

/** Since Linux 6.15 the kernel keeps the exit status of a process for whoever holds a pidfd of it. */
const [major = 0, minor = 0] = release().split(".").map(Number);
const knowsExits = major > 6 || (major === 6 && minor >= 15);

const REPORTER = [
  "echo ready",
  "trap 'echo hello' USR1",
  "trap 'echo bye; exit 9' TERM",
  "while :; do sleep 600 & wait; done",
].join("; ");

function killKeeper(daemon: DaemonHarness): void {
  const old = daemon.keeperPid;
  assert.ok(old !== undefined);
  process.kill(old, "SIGKILL");
}

/** Resolves when the daemon has started another keeper and talks to it. */
async function nextKeeper(daemon: DaemonHarness, old: number | undefined): Promise<void> {
  await eventually(
    () => daemon.keeperPid,
    (pid) => pid !== undefined && pid !== old && isAlive(pid),
    { what: "another keeper" },
  );
  const worker = await eventually(
    () => daemon.create(["true"]).catch(() => undefined),
    (created) => created !== undefined,
    { what: "a create to succeed" },
  );
  await daemon.processes.deleteProcess({ name: worker?.name ?? "", force: true });
}

/** Whichever the new keeper gets first: the zombie, or what the kernel keeps of it. */
const AFTER_DEATH: readonly ExitSource[] = [ExitSource.PIDFD_INFO, ExitSource.PROC_STAT];

/** True, or LOST, and never invented. */
function assertTrueOrLost(process: Process, truth: string): void {
  const exit = exitOf(process);
  if (knowsExits) {
    assert.equal(outcomeOf(process), truth);
    assert.ok(AFTER_DEATH.includes(exit.source), `${exit.source}`);
    assert.equal(exit.usage, undefined, "what the source does not tell is unset");
    return;
  }
  assert.equal(statusOf(process).state, ProcessState.LOST);
  assert.ok(exit.outcome?.$case === "lost");
  assert.equal(exit.outcome.value.reason, LostReason.KEEPER_DIED);
}

/** Where the kernel says that it is; empty where workers have no leaf of their own. */
function leafOf(pid: number): string {
  const mount = /^\S+ \S+ \S+ \S+ (\S+) .* - cgroup2 /m.exec(
    readFileSync("/proc/self/mountinfo", "utf8"),
  );
  const path = /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1] ?? "";
  return mount !== null && path.includes("forkbus") ? `${mount[1] ?? ""}${path}` : "";
}

describe("when the keeper is killed", () => {
  it("workers live on, are adopted by a new one, and can be signalled and stopped", async () => {
    await using daemon = await DaemonHarness.start();
    const { name } = await daemon.create(["sh", "-c", REPORTER]);
    const silent = await daemon.create(["sleep", "600"]);
    const before = statusOf((await daemon.processes.getProcess({ name })).process);
    await hasWritten(daemon, name, "ready");
    const following = readOutput(daemon, { name, follow: true });
    const old = daemon.keeperPid;
    killKeeper(daemon);
    await nextKeeper(daemon, old);
    await eventually(
      async () => statusOf((await daemon.processes.getProcess({ name })).process),
      ({ cgroup, pid }) => cgroup === leafOf(pid),
      { what: "the cgroup that the worker is in now" },
    );

    const { processes } = await daemon.processes.listProcesses({});
    assert.deepEqual(
      processes.map(({ status }) => status?.state),
      [ProcessState.RUNNING, ProcessState.RUNNING],
    );
    const now = statusOf((await daemon.processes.getProcess({ name })).process);
    assert.deepEqual([now.pid, now.startTicks], [before.pid, before.startTicks]);
    assert.ok(isAlive(now.pid));
    await daemon.processes.signalProcess({ name, signal: "USR1" });
    await hasWritten(daemon, name, "hello");
    const { process } = await daemon.processes.stopProcess({ name, requestId: "end-it" });
    assert.ok(process);
    assertTrueOrLost(process, "9");
    if (knowsExits) {
      assert.equal(exitOf(process).cause, ExitCause.STOP_REQUESTED);
      assert.equal(exitOf(process).requestId, "end-it");
    }
    assert.equal((await following).stdout.toString(), "ready\nhello\nbye\n");
    const killed = await daemon.processes.stopProcess({ name: silent.name, stop: { graceMs: 0 } });
    assert.ok(killed.process);
    assertTrueOrLost(killed.process, "SIGKILL");
    for (const each of [name, silent.name]) await daemon.processes.deleteProcess({ name: each });
  });

  it("the end of an adopted worker is told as it was, or as lost", async () => {
    await using daemon = await DaemonHarness.start();
    const workers: Process[] = [];
    for (const end of ["exit 0", "exit 77", "kill -USR2 $$"]) {
      const script = `echo ready; trap '${end}' TERM; while :; do sleep 600 & wait; done`;
      const worker = await daemon.create(["sh", "-c", script]);
      await hasWritten(daemon, worker.name, "ready");
      workers.push(worker);
    }
    const old = daemon.keeperPid;
    killKeeper(daemon);
    await nextKeeper(daemon, old);
    for (const [index, truth] of ["0", "77", "SIGUSR2"].entries()) {
      const worker = workers[index];
      assert.ok(worker);
      // Not through forkbus: as far as it knows, they end by themselves.
      process.kill(statusOf(worker).pid, "SIGTERM");
      const end = await ended(daemon, worker);
      assertTrueOrLost(end, truth);
      assert.notEqual(exitOf(end).cause, ExitCause.STOP_REQUESTED);
    }
  });

  it("no status is invented for a worker that ended before anyone looked", async () => {
    await using daemon = await DaemonHarness.start();
    const worker = await daemon.create(["sleep", "600"]);
    const other = await daemon.create(["sleep", "600"]);
    await daemon.kill();
    killKeeper(daemon);
    process.kill(statusOf(worker).pid, "SIGKILL");
    await eventually(
      () => isAlive(statusOf(worker).pid),
      (alive) => !alive,
    );
    await daemon.startDaemon();
    const end = await ended(daemon, worker);
    // Where its zombie was still there, the kernel knew.
    assert.ok(["LOST", "SIGKILL"].includes(outcomeOf(end)), outcomeOf(end));
    const exit = exitOf(end);
    if (exit.outcome?.$case === "lost") {
      assert.equal(exit.outcome.value.reason, LostReason.KEEPER_DIED);
      assert.equal(exit.source, ExitSource.UNSPECIFIED);
      assert.equal(statusOf(end).state, ProcessState.LOST);
    } else {
      assert.ok(AFTER_DEATH.includes(exit.source), `${exit.source}`);
    }
    assert.equal(exit.succeeded, false);
    const { process: alive } = await daemon.processes.getProcess({ name: other.name });
    assert.equal(statusOf(alive).state, ProcessState.RUNNING);
  });

  it("a stop that is under way goes on", async () => {
    await using daemon = await DaemonHarness.start();
    const script = "trap '' TERM; echo ready; while :; do sleep 600 & wait; done";
    const { name } = await daemon.create(["sh", "-c", script]);
    await hasWritten(daemon, name, "ready");
    const stopping = daemon.processes.stopProcess({ name, stop: { graceMs: 700 } });
    await eventually(
      async () => statusOf((await daemon.processes.getProcess({ name })).process).state,
      (state) => state === ProcessState.STOPPING,
    );
    killKeeper(daemon);
    const { process } = await stopping;
    assert.ok(process);
    assertTrueOrLost(process, "SIGKILL");
  });

  it("creates fail in a way that may be repeated, and then make one worker each", async () => {
    await using daemon = await DaemonHarness.start();
    for (let round = 0; round < 3; round++) {
      const ids = Array.from({ length: 10 }, () => randomUUID());
      const create = (requestId: string): Promise<string> =>
        failure((options) => daemon.create(["sleep", "600"], {}, { requestId }, options));
      const first = Promise.all(ids.map(create));
      killKeeper(daemon);
      for (const answer of await first) {
        assert.ok(["OK", "UNAVAILABLE/KEEPER_UNREACHABLE"].includes(answer), answer);
      }
      await eventually(
        () => Promise.all(ids.map(create)),
        (answers) => answers.every((answer) => answer === "OK"),
        { what: "all creates to succeed" },
      );
    }
    const { processes } = await daemon.processes.listProcesses({ pageSize: 1000 });
    assert.equal(processes.length, 30);
    for (const { name, status } of processes) {
      assert.notEqual(status?.state, ProcessState.STARTING, name);
      if (status?.state === ProcessState.RUNNING) assert.ok(isAlive(status.pid), name);
    }
  });
});
