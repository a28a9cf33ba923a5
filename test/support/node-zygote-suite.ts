import { spawnSync } from "node:child_process";
import { nativeFile } from "../../server/kernel/native-files.js";

/** The Node whose forks are tried: $FORKBUS_TEST_NODE, or the one that runs the tests. */
export const nodeUnderTest = process.env["FORKBUS_TEST_NODE"] ?? process.execPath;

/** The number by which a Node's native modules go, as text. */
export function modulesOf(node: string): string {
  return spawnSync(node, ["-p", "process.versions.modules"], { encoding: "utf8" }).stdout.trim();
}

/** What the tests of the Node fork server lack; undefined when nothing. */
export function missingForNodeZygote(): string | undefined {
  const python = spawnSync("python3", ["-c", "import os; os.pidfd_open, os.memfd_create"]);
  if (python.status !== 0) return "their keeper needs python3, 3.9 or newer";
  try {
    nativeFile(`forkbus-zygote-${modulesOf(nodeUnderTest)}.node`);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
