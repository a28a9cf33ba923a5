import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../../../server/kernel/package-root.js";
import { DaemonHarness } from "../../support/daemon-harness.js";

/** A keeper as an earlier release would have brought it. */
function buildKeeper(version: string, directory: string): string {
  const folder = join(packageRoot, "server/native/keeper");
  execFileSync("make", ["--silent", "-C", folder, "all", `VERSION=${version}`, `OUT=${directory}`]);
  return join(directory, "forkbus-keeper");
}

describe("a keeper of an earlier release", () => {
  it("is upgraded in place by the daemon that finds it, under its workers", async () => {
    const directory = mkdtempSync(join(tmpdir(), "forkbus-old-keeper-"));
    try {
      const old = buildKeeper("0.0.1", directory);
      await using daemon = await DaemonHarness.start();
      await daemon.stop();
      await daemon.startDaemon(["--keeper", old]);
      const keeperPid = daemon.keeperPid;
      assert.equal((await daemon.admin.getServerInfo({})).keeperVersion, "0.0.1");
      const { name } = await daemon.create(["sh", "-c", "read line; exit 42"], { openStdin: true });
      await daemon.crash();
      const info = await daemon.admin.getServerInfo({});
      assert.equal(info.keeperVersion, info.version);
      assert.equal(daemon.keeperPid, keeperPid);
      await daemon.processes.closeStdin({ name });
      const { process } = await daemon.processes.waitProcess({ name });
      assert.deepEqual(process?.status?.exit?.outcome, { $case: "exitCode", value: 42 });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
