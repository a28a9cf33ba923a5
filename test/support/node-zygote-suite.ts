import { spawnSync } from "node:child_process";
import { nativeFile } from "../../server/kernel/native-files.js";

/** The Node whose forks are tried: $FORKBUS_TEST_NODE, or the one that runs the tests. */
export const nodeUnderTest = process.env["FORKBUS_TEST_NODE"] ?? process.execPath;

/** What the tests of the Node fork server lack; undefined when nothing. */
export function missingForNodeZygote(): string | undefined {
  const python = spawnSync("python3", ["-c", "import os; os.pidfd_open, os.memfd_create"]);
  if (python.status !== 0) return "their keeper needs python3, 3.9 or newer";
  const { stdout } = spawnSync(nodeUnderTest, ["-p", "process.versions.modules"]);
  try {
    nativeFile(`forkbus-zygote-${String(stdout).trim()}.node`);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
