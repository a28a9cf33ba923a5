import assert from "node:assert/strict";
import { ProcessState } from "../../../proto/gen/forkbus/v1/process.js";
import { KeeperProcess } from "../../native/support/keeper-process.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { outcomeOf, statusOf } from "./support/ended.js";
import { isAlive } from "./support/proc-fs.js";

function startOn(keeper: KeeperProcess): Promise<DaemonHarness> {
  return DaemonHarness.start({ args: ["--keeper-socket", keeper.socketPath] });
}

describe("a keeper that something else starts", () => {
  it("has the daemon's workers, and stays when the daemon stops without any", async () => {
    await using keeper = await KeeperProcess.start();
    await using daemon = await startOn(keeper);
    assert.equal(daemon.keeperPid, undefined, "the daemon has started none");
    const { name } = await daemon.create(["sh", "-c", "echo hello; exit 3"]);
    assert.equal((await daemon.output(name)).stdout, "hello\n");
    const { process } = await daemon.processes.waitProcess({ name });
    assert.ok(process);
    assert.equal(outcomeOf(process), "3");
    await daemon.processes.deleteProcess({ name });
    assert.equal(await daemon.stop(), 0);
    assert.ok(isAlive(keeper.pid));
    await daemon.startDaemon();
    await daemon.create(["true"]);
  });

  it("is waited for when it dies, and its successor gets the workers", async () => {
    await using keeper = await KeeperProcess.start();
    await using daemon = await startOn(keeper);
    const { name, status } = await daemon.create(["sleep", "600"]);
    process.kill(keeper.pid, "SIGKILL");
    // An order that was given before the daemon knows waits for the successor.
    await eventually(
      () => daemon.log,
      (log) => log.includes("keeper connection lost"),
      { what: "the daemon to notice" },
    );
    await assert.rejects(daemon.create(["true"]), /UNAVAILABLE/);
    assert.equal(daemon.keeperPid, undefined, "the daemon has started none");
    await using _next = await KeeperProcess.start({
      directory: keeper.directory.replace(/\/workers$/, ""),
    });
    await eventually(
      () => daemon.create(["true"]).catch(() => undefined),
      (made) => made !== undefined,
      { what: "a create to succeed" },
    );
    const now = statusOf((await daemon.processes.getProcess({ name })).process);
    assert.equal(now.state, ProcessState.RUNNING);
    assert.equal(now.pid, status?.pid);
  });

  it("that never comes is no daemon's start", async () => {
    const away = { args: ["--keeper-socket", "/nowhere/keeper.sock"] };
    await assert.rejects(
      DaemonHarness.start(away),
      /The keeper does not answer at \/nowhere\/keeper\.sock; is it running\?/,
    );
  });
});
