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

/**
 * Runs the tests of the Python client with the environment that `make try-python` has made; undefined when they end
 * without their counts. Where there is no such environment that is said in one line, and counts as one test that was
 * skipped, or that failed where CI is set.
 */
export function runPythonTests(directory: string): Counts | undefined {
  const home = join(packageRoot, "dist/python");
  const unavailable = join(home, "unavailable");
  const pytest = join(home, "venv/bin/pytest");
  if (existsSync(unavailable) || !existsSync(pytest)) {
    const why = existsSync(unavailable)
      ? readFileSync(unavailable, "utf8").trim()
      : "make it first";
    const required = (process.env["CI"] ?? "") !== "";
    process.stdout.write(`${required ? "missing" : "skipped"}: the Python client, ${why}\n`);
    return { passes: 0, failures: required ? 1 : 0, pending: required ? 0 : 1 };
  }
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
