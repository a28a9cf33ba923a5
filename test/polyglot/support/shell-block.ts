import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { packageRoot } from "../../../server/kernel/package-root.js";

/** What `make` tells its own children is not for the tools that a block starts. */
const INHERITED = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(MAKE|MFLAGS)/.test(name)),
);

/**
 * Runs a block of shell as it is written, at the top of the clone, and
 * resolves to what it printed. A command of it that fails is an error that shows all output.
 */
export async function runBlock(
  block: string,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const shell = spawn("bash", ["-euo", "pipefail", "-c", block], {
    cwd: packageRoot,
    env: { ...INHERITED, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(shell, "close");
  const [stdout, stderr] = await Promise.all([text(shell.stdout), text(shell.stderr)]);
  await exited;
  assert.equal(shell.exitCode, 0, `This failed:\n${block}\n${stdout}${stderr}`);
  return stdout;
}
