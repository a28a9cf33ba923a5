import assert from "node:assert/strict";
import { join } from "node:path";
import type { DeepPartial, ProcessSpec } from "../../../proto/gen/forkbus/v1/process.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { DeadMount, whyNoMounts } from "./dead-mount.js";
import { checkRefusal, refusalOf } from "./refusal.js";
import { checkStillWorks } from "./still-works.js";

const DEADLINE_MS = 1500;

describe("a mount that does not answer", function () {
  before(function () {
    const why = whyNoMounts();
    if (why !== undefined) {
      process.stdout.write(`    skipped: ${why}\n`);
      this.skip();
    }
  });

  it("costs a create its deadline, and nobody else anything", async () => {
    await using daemon = await DaemonHarness.start({
      args: ["--start-deadline-ms", String(DEADLINE_MS)],
    });
    const first = { pid: daemon.pid, keeperPid: daemon.keeperPid };
    await using mount = await DeadMount.at(join(daemon.directory, "dead"));
    const create = async (spec: DeepPartial<ProcessSpec>, step: string, requestId: string) => {
      const refusal = await refusalOf((options) =>
        daemon.processes.createProcess({ process: { spec }, requestId }, options),
      );
      checkRefusal(refusal, {
        status: "DEADLINE_EXCEEDED/START_TIMED_OUT",
        names: [mount.path, step],
      });
      assert.equal(refusal.metadata["step"], step);
    };
    const inDirectory: DeepPartial<ProcessSpec> = {
      target: { $case: "exec", value: { argv: ["true"] } },
      workingDir: mount.path,
    };
    const ofProgram: DeepPartial<ProcessSpec> = {
      target: { $case: "exec", value: { argv: [join(mount.path, "program")] } },
    };
    const started = performance.now();
    const stuck = Promise.all([
      create(inDirectory, "cwd", "cwd"),
      create(ofProgram, "exec", "exec"),
      // Repeated while the first one hangs: the same answer, and no second attempt.
      create(inDirectory, "cwd", "cwd"),
    ]);
    let answered = 0;
    void stuck.finally(() => {
      answered++;
    });
    for (let rounds = 0; rounds < 3; rounds++) await checkStillWorks(daemon, first);
    assert.equal(answered, 0, "other creates were held up");
    await stuck;
    const tookMs = performance.now() - started;
    assert.ok(tookMs >= DEADLINE_MS, `took ${tookMs} ms`);
    assert.deepEqual((await daemon.processes.listProcesses({})).processes, []);
    await checkStillWorks(daemon, first);
  });
});
