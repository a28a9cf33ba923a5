import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../server/kernel/package-root.js";
import { type Counts, runPythonTests } from "./support/python-suite.js";

/**
 * Runs the test suites one after the other, or those that are named on the command line, and ends
 * with one line of counts. A suite that ends without its counts, as in a crash, counts as a failure.
 */
const SUITES = ["unit", "native", "integration", "package", "python"];

const CRASHED: Counts = { passes: 0, failures: 1, pending: 0 };

function run(suite: string, directory: string): Counts {
  process.stdout.write(`\n== ${suite} tests\n`);
  if (suite === "python") return runPythonTests(directory) ?? CRASHED;
  const tally = join(directory, suite);
  const tests = join(packageRoot, "dist/test");
  spawnSync(
    process.execPath,
    ["--enable-source-maps", join(tests, "support/run-suite.js"), join(tests, suite), tally],
    { cwd: packageRoot, stdio: "inherit" },
  );
  return readCounts(tally) ?? CRASHED;
}

function readCounts(path: string): Counts | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    return isCounts(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isCounts(value: unknown): value is Counts {
  return typeof value === "object" && value !== null && "passes" in value && "failures" in value;
}

const asked = process.argv.slice(2);
const directory = mkdtempSync(join(tmpdir(), "forkbus-tally-"));
const counts = SUITES.filter((suite) => asked.length === 0 || asked.includes(suite)).map((suite) =>
  run(suite, directory),
);
rmSync(directory, { recursive: true });
const sum = (key: keyof Counts): number => counts.reduce((total, each) => total + each[key], 0);
const skipped = sum("pending") > 0 ? `, ${sum("pending")} skipped` : "";
process.stdout.write(`\n${sum("passes")} passed, ${sum("failures")} failed${skipped}\n`);
process.exitCode = sum("failures") > 0 || sum("passes") === 0 ? 1 : 0;
