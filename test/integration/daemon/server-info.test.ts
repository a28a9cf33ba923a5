import assert from "node:assert/strict";
import { CheckOutcome } from "../../../proto/gen/forkbus/v1/admin.js";
import { sharedDaemon } from "./support/shared-daemon.js";

describe("what a daemon says that it can do", () => {
  const daemon = sharedDaemon();

  it("is what clients may branch on, and of cgroups only what it finds in order", async () => {
    const { capabilities } = await daemon().admin.getServerInfo({});
    const { checks } = await daemon().admin.diagnose({});
    const isOk = (name: string): boolean =>
      checks.some((check) => check.name === name && check.outcome === CheckOutcome.OK);
    const limits = ["cgroup.cpu", "cgroup.memory", "cgroup.pids"];
    const said = [...capabilities].sort();
    assert.deepEqual(
      said.filter((name) => !name.startsWith("cgroup.")),
      ["cpus", "queues.auto", "start.fork", "start.forkserver", "start.spawn", "templates"],
    );
    assert.equal(said.includes("cgroup.leaves"), isOk("cgroup.delegation"));
    assert.equal(
      limits.every((name) => said.includes(name)),
      isOk("cgroup.limits"),
    );
  });
});
