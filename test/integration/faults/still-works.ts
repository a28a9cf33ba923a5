import assert from "node:assert/strict";
import type { DaemonHarness } from "../../support/daemon-harness.js";

/** The daemon and the keeper that were there before are there, and a worker runs as it should. */
export async function checkStillWorks(
  daemon: DaemonHarness,
  before: { readonly pid: number; readonly keeperPid: number | undefined },
): Promise<void> {
  assert.equal(daemon.pid, before.pid);
  assert.equal(daemon.keeperPid, before.keeperPid);
  const { name } = await daemon.create(["sh", "-c", "echo well"]);
  const { process } = await daemon.processes.waitProcess({ name, waitMs: 20_000 });
  assert.deepEqual(process?.status?.exit?.outcome, { $case: "exitCode", value: 0 });
  assert.equal((await daemon.output(name)).stdout, "well\n");
  await daemon.processes.deleteProcess({ name });
}
