import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, connect, TemplateFailedError } from "../../../client/typescript/index.js";
import { packageRoot } from "../../../server/kernel/package-root.js";
import { DaemonHarness } from "../../support/daemon-harness.js";

const NOBODY = 65534;
/** One that others than root may run, too. */
const PYTHON = "/usr/bin/python3";

/** Why this cannot be tried here; undefined when it can. */
function whyNot(): string | undefined {
  if (process.getuid?.() !== 0) return "only root has zygotes of other users";
  const file = join(packageRoot, "dist/server/zygotes/python/main.py");
  const { status } = spawnSync(PYTHON, ["-c", `open(${JSON.stringify(file)})`], { uid: NOBODY });
  return status === 0 ? undefined : `nobody can run ${PYTHON}, or read ${file}, but root`;
}

describe("templates of another user", function () {
  this.timeout(30_000);
  let directory: string;
  let daemon: DaemonHarness;
  let bus: Client;

  before(async function () {
    const why = whyNot();
    if (why !== undefined) {
      process.stdout.write(`    skipped: ${why}\n`);
      this.skip();
    }
    directory = mkdtempSync(join(tmpdir(), "forkbus-policy-"));
    const policy = join(directory, "policy");
    writeFileSync(policy, "user nobody\n", { mode: 0o600 });
    daemon = await DaemonHarness.start({ args: ["--keeper-policy", policy] });
    bus = await connect(daemon.address);
  });

  after(async () => {
    if (whyNot() !== undefined) return;
    bus.close();
    await daemon[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true });
  });

  for (const runtime of ["python", "node"] as const) {
    const interpreter = runtime === "python" ? { interpreter: PYTHON } : {};
    const target = runtime === "python" ? { python: "os:getuid" } : { node: "node:process#getuid" };

    it(`run as that user, with all their workers, where the keeper's list says so, in ${runtime}`, async () => {
      const template = await bus.templates.create({
        name: `${runtime}/nobody`,
        runtime,
        ...interpreter,
        runAs: "nobody",
        warmWorkers: 1,
      });
      await template.ready();
      assert.equal(statSync(`/proc/${template.report?.pid ?? 0}`).uid, NOBODY);
      for (const method of ["forkserver", "forkserver", "spawn"] as const) {
        assert.equal(await bus.call({ ...target, template, method, modulePath: [] }), NOBODY);
      }
      await assert.rejects(bus.call({ ...target, template, runAs: "root", modulePath: [] }), {
        reason: "INVALID_FIELD",
      });
    });

    it(`fail where it does not, and say so, in ${runtime}`, async () => {
      const template = await bus.templates.create({
        name: `${runtime}/daemon`,
        runtime,
        ...interpreter,
        runAs: "daemon",
      });
      await assert.rejects(template.ready(), (error) => {
        assert.ok(error instanceof TemplateFailedError, String(error));
        assert.match(error.message, /The keeper's policy does not let it run as daemon$/);
        return true;
      });
    });
  }
});
