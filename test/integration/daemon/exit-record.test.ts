import assert from "node:assert/strict";
import {
  ExitCause,
  ExitSource,
  ProcessState,
  WaitCondition,
} from "../../../proto/gen/forkbus/v1/process.js";
import { ended, exitOf, millisecondsOf, outcomeOf, statusOf } from "./support/ended.js";
import { sharedDaemon } from "./support/shared-daemon.js";

describe("an exit record", () => {
  const daemon = sharedDaemon();

  it("holds the exit code as the worker gave it", async () => {
    for (const code of [0, 1, 2, 42, 126, 127, 128, 129, 137, 143, 254, 255]) {
      const process = await ended(daemon(), await daemon().create(["sh", "-c", `exit ${code}`]));
      const exit = exitOf(process);
      assert.deepEqual(exit.outcome, { $case: "exitCode", value: code });
      assert.equal(exit.succeeded, code === 0);
      assert.equal(exit.cause, ExitCause.SELF);
      assert.equal(exit.source, ExitSource.WAITID);
      assert.equal(exit.requestedBy, "");
      assert.equal(statusOf(process).state, ProcessState.EXITED);
    }
  });

  it("tells a death by signal from an exit code, and does not guess who sent it", async () => {
    for (const signal of ["HUP", "KILL", "SEGV", "USR2", "PIPE"]) {
      const script = `ulimit -c 0; kill -${signal} $$`;
      const process = await ended(daemon(), await daemon().create(["sh", "-c", script]));
      const exit = exitOf(process);
      assert.equal(outcomeOf(process), `SIG${signal}`);
      assert.equal(exit.succeeded, false);
      assert.equal(exit.cause, ExitCause.UNSPECIFIED);
      assert.equal(exit.requestedBy, "");
      assert.deepEqual(exit.outcome?.$case === "signal" && exit.outcome.value.coreDumped, false);
    }
  });

  it("does not claim an end for a signal that the worker survived", async () => {
    const script = "trap 'exit 6' USR1; echo ready; while :; do sleep 600 & wait; done";
    const { name } = await daemon().create(["sh", "-c", script]);
    for await (const { event } of daemon().processes.readLogs({ name, follow: true })) {
      if (event?.$case === "chunk") break;
    }
    await daemon().processes.signalProcess({ name, signal: "USR1" });
    const process = await ended(daemon(), { name });
    assert.equal(outcomeOf(process), "6");
    assert.equal(exitOf(process).cause, ExitCause.SELF);
  });

  it("holds what the worker and its children used", async () => {
    const spin = "i=0; while [ $i -lt 150000 ]; do i=$((i+1)); done";
    for (const script of [spin, `sh -c '${spin}'; true`]) {
      const process = await ended(daemon(), await daemon().create(["sh", "-c", script]));
      const { usage } = exitOf(process);
      assert.ok(usage);
      assert.ok(usage.userUs + usage.systemUs > 10_000n, String(usage.userUs));
      assert.ok(usage.maxRssBytes > 100_000n && usage.maxRssBytes < 100_000_000n);
      assert.ok(usage.minorFaults > 0n);
    }
  });

  it("has its times in order", async () => {
    const before = Date.now();
    const created = await daemon().create(["sleep", "0.1"]);
    const process = await ended(daemon(), created);
    const after = Date.now();
    const { startTime, endTime } = exitOf(process);
    const times = [before, ...[process.createTime, startTime, endTime].map(millisecondsOf), after];
    // A millisecond of difference comes of rounding.
    times.forEach((time, index) => {
      assert.ok(time + 1 >= (times[index - 1] ?? 0), times.join(" "));
    });
    assert.ok(millisecondsOf(endTime) - millisecondsOf(startTime) >= 99);
    assert.deepEqual(statusOf(process).startTime, startTime);
  });

  it("counts up the revision with every change", async () => {
    const created = await daemon().create(["sleep", "600"]);
    await daemon().processes.stopProcess({ name: created.name });
    const condition = WaitCondition.TREE_ENDED;
    const { process } = await daemon().processes.waitProcess({ name: created.name, condition });
    assert.ok((process?.revision ?? 0n) >= created.revision + 2n);
  });
});
