import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { OnExit } from "../../../proto/gen/forkbus/v1/process.js";
import { ended, statusOf } from "./support/ended.js";
import { failure } from "./support/failure.js";
import { hasWritten } from "./support/output-events.js";
import { isAlive } from "./support/proc-fs.js";
import { sharedDaemon } from "./support/shared-daemon.js";
import { eventually } from "../../support/eventually.js";

describe("DeleteProcess", () => {
  const daemon = sharedDaemon();
  const remove = (name: string, more: { force?: boolean; uid?: string } = {}): Promise<string> =>
    failure((options) => daemon().processes.deleteProcess({ name, ...more }, options));
  const outputs = (): readonly string[] =>
    readdirSync(join(daemon().stateDir, "workers")).filter((name) => /^[0-9a-f-]{32,}$/.test(name));

  it("removes the record and the output of what has ended, and may be repeated", async () => {
    const { name, uid } = await daemon().create(["echo", "something"]);
    await ended(daemon(), { name });
    const directory = join(daemon().stateDir, "workers", uid.replaceAll("-", ""));
    assert.ok(existsSync(directory));
    assert.equal(await remove(name), "OK");
    assert.equal(existsSync(directory), false);
    assert.equal(
      await failure((options) => daemon().processes.getProcess({ name }, options)),
      "NOT_FOUND/PROCESS_NOT_FOUND",
    );
    assert.equal(await remove(name), "OK");
    assert.equal(await remove("never-there"), "OK");
  });

  it("refuses what is alive, unless by force", async () => {
    const process = await daemon().create(["sleep", "600"]);
    assert.equal(await remove(process.name), "FAILED_PRECONDITION/PROCESS_RUNNING");
    assert.ok(isAlive(statusOf(process).pid));
    assert.equal(await remove(process.name, { force: true }), "OK");
    assert.equal(isAlive(statusOf(process).pid), false);
    assert.deepEqual(outputs(), []);
  });

  it("kills the whole tree by force, also when only descendants are left", async () => {
    const script = "(setsid sleep 600 & echo $!); read _";
    const spec = { openStdin: true, onExit: OnExit.WAIT_TREE };
    for (const workerEnds of [false, true]) {
      const { name } = await daemon().create(["sh", "-c", script], spec);
      const child = Number(await hasWritten(daemon(), name, "\n"));
      if (workerEnds) {
        await daemon().processes.closeStdin({ name });
        await ended(daemon(), { name });
        assert.equal(await remove(name), "FAILED_PRECONDITION/PROCESS_RUNNING");
      }
      assert.ok(isAlive(child));
      assert.equal(await remove(name, { force: true }), "OK");
      await eventually(
        () => isAlive(child),
        (alive) => !alive,
      );
    }
    assert.deepEqual(outputs(), []);
  });

  it("frees the name for another process, which an old uid does not reach", async () => {
    const first = await daemon().create(["true"], {}, { name: "reused" });
    await ended(daemon(), first);
    assert.equal(await remove("reused"), "OK");
    const second = await daemon().create(["sleep", "600"], {}, { name: "reused" });
    assert.notEqual(second.uid, first.uid);
    assert.equal(await remove("reused", { uid: first.uid, force: true }), "ABORTED/UID_MISMATCH");
    assert.ok(isAlive(statusOf(second).pid));
    for (const call of [
      () => daemon().processes.getProcess({ name: "reused", uid: first.uid }),
      () => daemon().processes.stopProcess({ name: "reused", uid: first.uid }),
      () => daemon().processes.signalProcess({ name: "reused", uid: first.uid, signal: "KILL" }),
    ]) {
      await assert.rejects(call, /another process now/);
    }
    assert.equal(await remove("reused", { uid: second.uid, force: true }), "OK");
  });

  it("takes many at once, several times each", async () => {
    const workers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => daemon().create(["sleep", n % 2 === 0 ? "600" : "0"])),
    );
    const answers = await Promise.all(
      [...workers, ...workers, ...workers].map(({ name }) => remove(name, { force: true })),
    );
    assert.deepEqual(new Set(answers), new Set(["OK"]));
    assert.deepEqual(outputs(), []);
    assert.deepEqual((await daemon().processes.listProcesses({})).processes, []);
  });
});
