import assert from "node:assert/strict";
import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../server/kernel/package-root.js";
import { DaemonHarness } from "../support/daemon-harness.js";
import { installInProject, pack } from "./support/packed.js";
import { run } from "./support/run.js";

const compilerOptions = {
  module: "nodenext",
  target: "es2022",
  lib: ["es2023", "esnext.disposable"],
  types: ["node"],
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  outDir: "out",
};

const EXAMPLE = "hello-multiprocessing";

describe("the types of the package", () => {
  async function checkWith(program: string, ...args: readonly string[]): Promise<void> {
    const { tarball, env } = await pack();
    const path = join(packageRoot, "node_modules", program);
    const { code, stdout, stderr } = await run(process.execPath, [path, tarball, ...args], { env });
    assert.equal(code, 0, stdout + stderr);
  }

  it("are found by every way of importing modules", async () => {
    await checkWith("@arethetypeswrong/cli/dist/index.js", "--profile", "esm-only");
  });

  it("and its entries are as publint wants them", async () => {
    await checkWith("publint/src/cli.js", "--strict");
  });

  it("compile in somebody's strict project, and what comes out of it runs", async function () {
    const project = await installInProject(this);
    const { env } = await pack();
    const source = join(project, "node_modules/forkbus/examples", `${EXAMPLE}.ts`);
    copyFileSync(source, join(project, `${EXAMPLE}.ts`));
    const config = { compilerOptions, files: [`${EXAMPLE}.ts`] };
    writeFileSync(join(project, "tsconfig.json"), JSON.stringify(config));
    const tsc = join(packageRoot, "node_modules/typescript/bin/tsc");
    const compiled = await run(process.execPath, [tsc, "-p", project], { env });
    assert.equal(compiled.code, 0, compiled.stdout);

    const forkbus = join(project, "node_modules/.bin/forkbus");
    await using daemon = await DaemonHarness.start({ program: [forkbus, "serve"], env });
    const ran = await run(process.execPath, [join(project, "out", `${EXAMPLE}.js`)], {
      env: { ...env, FORKBUS_ADDRESS: daemon.address },
    });
    assert.deepEqual(ran, {
      code: 0,
      stdout:
        "Parent Process started\nMessage by Child Proc 1\nMessage by Child Proc 2\nParent Process Exiting\n",
      stderr: "",
    });
  });
});
