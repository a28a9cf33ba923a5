import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../server/kernel/package-root.js";
import { missingForCgroups, runWithControllers } from "./support/cgroup-suite.js";
import { missingEngine } from "./support/missing-engine.js";
import { missingForNodeZygote } from "./support/node-zygote-suite.js";
import { missingPythonForZygotes, runPythonZygoteTests } from "./support/python-zygote-suite.js";
import { type Counts, missingPython, runPythonTests } from "./support/python-suite.js";

/**
 * Runs the test suites one after the other, or those that are named on the command line, and ends
 * with one line of counts. A suite that ends without its counts, as in a crash, counts as a failure.
 * So does one that lacks what it needs where CI is set; elsewhere a line says that it is skipped, and why.
 */
const SUITES: readonly Suite[] = [
  { name: "unit" },
  { name: "native" },
  { name: "node-zygote", missing: () => Promise.resolve(missingForNodeZygote()) },
  { name: "integration" },
  { name: "fuzz" },
  { name: "package" },
  { name: "python", missing: () => Promise.resolve(missingPython()) },
  { name: "python-zygote", missing: () => Promise.resolve(missingPythonForZygotes()) },
  { name: "container", missing: () => missingEngine(process.env) },
  { name: "polyglot", onlyByName: true },
  {
    name: "cgroups",
    missing: () => Promise.resolve(missingForCgroups()),
    onlyByName: true,
  },
];

interface Suite {
  readonly name: string;
  /** What this machine lacks for it; undefined when nothing. */
  readonly missing?: () => Promise<string | undefined>;
  /** Not run unless it is named: it takes the compilers of many languages, or a virtual machine. */
  readonly onlyByName?: boolean;
}

const CRASHED: Counts = { passes: 0, failures: 1, pending: 0 };
const SKIPPED: Counts = { passes: 0, failures: 0, pending: 1 };

async function run({ name: suite, missing }: Suite, directory: string): Promise<Counts> {
  const lacking = await missing?.();
  if (lacking !== undefined) {
    const isDue = process.env["CI"] === "true";
    process.stdout.write(`\n== ${suite} tests ${isDue ? "cannot run" : "skipped"}: ${lacking}\n`);
    return isDue ? CRASHED : SKIPPED;
  }
  process.stdout.write(`\n== ${suite} tests\n`);
  if (suite === "cgroups") {
    const printed = runWithControllers(suiteCommand(suite, "/dev/stdout"));
    return countsIn(/^\{"passes[^}]*\}/m.exec(printed)?.[0] ?? "") ?? CRASHED;
  }
  if (suite === "python") return runPythonTests(directory) ?? CRASHED;
  const tally = join(directory, suite);
  if (suite === "python-zygote") {
    runPythonZygoteTests(tally);
    return readCounts(tally) ?? CRASHED;
  }
  const [program = "", ...args] = suiteCommand(suite, tally);
  spawnSync(program, args, { cwd: packageRoot, stdio: "inherit" });
  return readCounts(tally) ?? CRASHED;
}

function suiteCommand(suite: string, tally: string): readonly string[] {
  const tests = join(packageRoot, "dist/test");
  const runner = join(tests, "support/run-suite.js");
  return [process.execPath, "--enable-source-maps", runner, join(tests, suite), tally];
}

function readCounts(path: string): Counts | undefined {
  try {
    return countsIn(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

function countsIn(text: string): Counts | undefined {
  try {
    const value: unknown = JSON.parse(text);
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
const counts: Counts[] = [];
for (const suite of SUITES) {
  const isDue = asked.length === 0 ? suite.onlyByName !== true : asked.includes(suite.name);
  if (isDue) counts.push(await run(suite, directory));
}
rmSync(directory, { recursive: true });
const sum = (key: keyof Counts): number => counts.reduce((total, each) => total + each[key], 0);
const skipped = sum("pending") > 0 ? `, ${sum("pending")} skipped` : "";
process.stdout.write(`\n${sum("passes")} passed, ${sum("failures")} failed${skipped}\n`);
process.exitCode = sum("failures") > 0 || sum("passes") === 0 ? 1 : 0;
