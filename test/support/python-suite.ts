import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../server/kernel/package-root.js";

/** What a suite counts. */
export interface Counts {
  readonly passes: number;
  readonly failures: number;
  readonly pending: number;
}

const home = join(packageRoot, "dist/python");
const pytest = join(home, "venv/bin/pytest");

/** What the Python client's tests lack; undefined when nothing. `make try-python` has tried to provide it. */
export function missingPython(): string | undefined {
  const reason = join(home, "unavailable");
  if (existsSync(reason)) return readFileSync(reason, "utf8").trim();
  return existsSync(pytest) ? undefined : "`make python` has not been run";
}

/** Runs the tests of the Python client; undefined when they end without their counts. */
export function runPythonTests(directory: string): Counts | undefined {
  const report = join(directory, "python.xml");
  spawnSync(pytest, ["-q", "--junitxml", report, join(packageRoot, "client/python/tests")], {
    cwd: directory,
    stdio: "inherit",
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" },
  });
  return existsSync(report) ? parseReport(readFileSync(report, "utf8")) : undefined;
}

function parseReport(xml: string): Counts | undefined {
  const suite = /<testsuite [^>]*>/.exec(xml)?.[0];
  if (suite === undefined) return undefined;
  const number = (name: string): number =>
    Number(new RegExp(` ${name}="(\\d+)"`).exec(suite)?.[1] ?? NaN);
  const failures = number("failures") + number("errors");
  const pending = number("skipped");
  const passes = number("tests") - failures - pending;
  return Number.isInteger(passes) && passes + failures > 0
    ? { passes, failures, pending }
    : undefined;
}
