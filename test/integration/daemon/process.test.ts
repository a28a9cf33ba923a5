import assert from "node:assert/strict";
import { ProcessState } from "../../../proto/gen/forkbus/v1/process.js";
import { DaemonHarness } from "../../support/daemon-harness.js";

describe("a process", () => {
  it("runs, and tells how it ended and what it wrote", async () => {
    await using daemon = await DaemonHarness.start();
    const { name } = await daemon.create(["sh", "-c", "echo out; echo err >&2; exit 7"]);
    const { process, reached } = await daemon.processes.waitProcess({ name });
    assert.equal(reached, true);
    assert.equal(process?.status?.state, ProcessState.EXITED);
    assert.deepEqual(process.status.exit?.outcome, { $case: "exitCode", value: 7 });
    assert.deepEqual(await daemon.output(name), { stdout: "out\n", stderr: "err\n" });
  });
});
