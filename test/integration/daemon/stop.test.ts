import assert from "node:assert/strict";
import {
  ExitCause,
  ProcessState,
  SignalScope,
  StopOutcome,
} from "../../../proto/gen/forkbus/v1/process.js";
import { eventually } from "../../support/eventually.js";
import { ended, exitOf, outcomeOf, statusOf } from "./support/ended.js";
import { failure } from "./support/failure.js";
import { hasWritten } from "./support/output-events.js";
import { sharedDaemon } from "./support/shared-daemon.js";

const USER = `uid:${process.getuid?.() ?? -1}`;

describe("stopping and signalling", () => {
  const daemon = sharedDaemon();

  /** A worker that does something of its own when it gets a signal; it has said so when this resolves. */
  async function trapping(name: string, signal: string, action: string): Promise<void> {
    const script = `trap '${action}' ${signal}; echo ready; while :; do sleep 600 & wait; done`;
    await daemon().create(["sh", "-c", script], {}, { name });
    await hasWritten(daemon(), name, "ready");
  }

  it("lets a worker end by itself within the grace", async () => {
    await trapping("graceful", "TERM", "exit 3");
    const { outcome, process } = await daemon().processes.stopProcess({
      name: "graceful",
      requestId: "stop-1",
    });
    assert.equal(outcome, StopOutcome.GRACEFUL);
    assert.equal(outcomeOf(process), "3");
    const { cause, requestedBy, requestId } = exitOf(process);
    assert.equal(cause, ExitCause.STOP_REQUESTED);
    assert.equal(requestedBy, USER);
    assert.equal(requestId, "stop-1");
  });

  it("sends the signal that the call, or else the process, names", async () => {
    await trapping("stop-int", "INT", "exit 4");
    const first = await daemon().processes.stopProcess({
      name: "stop-int",
      stop: { signal: "INT" },
    });
    assert.equal(outcomeOf(first.process), "4");
    const script = "trap 'exit 5' USR1; echo ready; while :; do sleep 600 & wait; done";
    const { name } = await daemon().create(["sh", "-c", script], { stop: { signal: "SIGUSR1" } });
    await hasWritten(daemon(), name, "ready");
    const second = await daemon().processes.stopProcess({ name });
    assert.equal(second.outcome, StopOutcome.GRACEFUL);
    assert.equal(outcomeOf(second.process), "5");
  });

  it("kills a worker that does not end within the grace", async () => {
    await trapping("stubborn", "TERM", ":");
    const { outcome, process } = await daemon().processes.stopProcess({
      name: "stubborn",
      stop: { graceMs: 100 },
    });
    assert.equal(outcome, StopOutcome.KILLED);
    assert.equal(outcomeOf(process), "SIGKILL");
    assert.equal(exitOf(process).cause, ExitCause.STOP_REQUESTED);
  });

  it("kills at once when there is no grace", async () => {
    await trapping("no-grace", "TERM", "exit 0");
    const { outcome, process } = await daemon().processes.stopProcess({
      name: "no-grace",
      stop: { graceMs: 0 },
    });
    assert.equal(outcome, StopOutcome.KILLED);
    assert.equal(outcomeOf(process), "SIGKILL");
  });

  it("takes a shorter grace from a second stop, and never a longer one", async () => {
    await trapping("shorter", "TERM", ":");
    const stop = (name: string, graceMs: number, waitMs?: number): Promise<StopOutcome> =>
      daemon()
        .processes.stopProcess({ name, stop: { graceMs }, waitMs })
        .then(({ outcome }) => outcome);
    assert.equal(await stop("shorter", 600_000, 0), StopOutcome.UNSPECIFIED);
    const { process } = await daemon().processes.getProcess({ name: "shorter" });
    assert.equal(statusOf(process).state, ProcessState.STOPPING);
    assert.equal(await stop("shorter", 20), StopOutcome.KILLED);

    await trapping("not-longer", "TERM", ":");
    assert.equal(await stop("not-longer", 200, 0), StopOutcome.UNSPECIFIED);
    assert.equal(await stop("not-longer", 600_000, 30_000), StopOutcome.KILLED);
  });

  it("goes on when the caller goes away", async () => {
    await trapping("left-alone", "TERM", ":");
    const caller = new AbortController();
    const call = daemon().processes.stopProcess(
      { name: "left-alone", stop: { graceMs: 300 } },
      { signal: caller.signal },
    );
    await hasState("left-alone", ProcessState.STOPPING);
    caller.abort();
    await assert.rejects(call);
    assert.equal(outcomeOf(await ended(daemon(), { name: "left-alone" })), "SIGKILL");
  });

  it("says so when there is nothing left to stop", async () => {
    await ended(daemon(), await daemon().create(["true"], {}, { name: "over" }));
    const { outcome, process } = await daemon().processes.stopProcess({ name: "over" });
    assert.equal(outcome, StopOutcome.ALREADY_ENDED);
    assert.equal(outcomeOf(process), "0");
    assert.equal(exitOf(process).cause, ExitCause.SELF);
  });

  it("refuses a grace that is out of range and signals that are none", async () => {
    await daemon().create(["sleep", "600"], {}, { name: "bad-stop" });
    const stop = (stop: { graceMs?: number; signal?: string }): Promise<string> =>
      failure((options) => daemon().processes.stopProcess({ name: "bad-stop", stop }, options));
    assert.equal(await stop({ graceMs: 86_400_001 }), "INVALID_ARGUMENT/INVALID_FIELD");
    assert.equal(await stop({ graceMs: 0xffff_ffff }), "INVALID_ARGUMENT/INVALID_FIELD");
    assert.equal(await stop({ signal: "SIGNOTHING" }), "INVALID_ARGUMENT/SIGNAL_UNKNOWN");
    await hasState("bad-stop", ProcessState.RUNNING);
  });

  it("sends signals by name and by number, to the worker", async () => {
    const cases = [
      ["SIGINT", "SIGINT"],
      ["term", "SIGTERM"],
      ["10", "SIGUSR1"],
      ["SIGRTMIN+3", "SIGRTMIN+3"],
      ["SIGRTMAX", "SIGRTMIN+30"],
      ["64", "SIGRTMIN+30"],
      ["KILL", "SIGKILL"],
    ] as const;
    for (const [signal, name] of cases) {
      const worker = await daemon().create(["sleep", "600"]);
      await daemon().processes.signalProcess({ name: worker.name, signal, requestId: "why" });
      const process = await ended(daemon(), worker);
      assert.equal(outcomeOf(process), name, signal);
      const { cause, requestedBy, requestId } = exitOf(process);
      assert.equal(cause, ExitCause.SIGNAL_REQUESTED);
      assert.equal(requestedBy, USER);
      assert.equal(requestId, "why");
    }
  });

  it("signals the worker alone, or its tree", async () => {
    const child = `trap "echo child" USR1; echo ready; while :; do sleep 600 & wait; done`;
    const script = `sh -c '${child}' & trap 'echo worker' USR1; while :; do wait; done`;
    const { name } = await daemon().create(["sh", "-c", script]);
    await hasWritten(daemon(), name, "ready");
    const { WORKER, TREE } = SignalScope;
    await daemon().processes.signalProcess({ name, signal: "USR1", scope: WORKER });
    assert.equal(await hasWritten(daemon(), name, "worker"), "ready\nworker\n");
    await daemon().processes.signalProcess({ name, signal: "USR1", scope: TREE });
    assert.match(await hasWritten(daemon(), name, "child\n"), /^ready\nworker\n/);
    await hasWritten(daemon(), name, "worker\n");
  });

  it("refuses signals that are none, and workers that have ended", async () => {
    const { name } = await daemon().create(["sleep", "600"]);
    const send = (signal: string): Promise<string> =>
      failure((options) => daemon().processes.signalProcess({ name, signal }, options));
    for (const signal of ["", "SIGFOO", "0", "65", "SIGRTMIN+31", "-9"]) {
      assert.equal(await send(signal), "INVALID_ARGUMENT/SIGNAL_UNKNOWN", signal);
    }
    await daemon().processes.stopProcess({ name, stop: { graceMs: 0 } });
    assert.equal(await send("TERM"), "FAILED_PRECONDITION/PROCESS_ENDED");
  });

  async function hasState(name: string, state: ProcessState): Promise<void> {
    await eventually(
      async () => statusOf((await daemon().processes.getProcess({ name })).process).state,
      (seen) => seen === state,
      { what: `${name} to be in state ${state}` },
    );
  }
});
