import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CleanupStack } from "../../server/core/cleanup-stack.js";
import { packageRoot } from "../../server/kernel/package-root.js";
import { type Contender, only } from "./contender.js";
import { readCommit, readMachine } from "./machine.js";
import { type BenchmarkOptions, readOptions } from "./options.js";
import { findPython, type Python } from "./python.js";
import { type Report, type Row, rowsOf, type Target } from "./report.js";
import { reportText } from "./report-text.js";
import { interleave, type Rounds } from "./rounds.js";

export interface Setting extends BenchmarkOptions {
  readonly python: Python | undefined;
  /** Owns what the contenders need; released when all is measured. */
  readonly resources: CleanupStack;
}

export interface Plan {
  readonly contenders: readonly Contender[];
  /** Those that have one turn each, when all rounds are done: what they measure is not a matter of speed. */
  readonly afterwards?: readonly Contender[];
  readonly rounds: Rounds;
  /** One line for each contender that cannot run here. */
  readonly leftOut: readonly string[];
}

export interface Judgement {
  readonly ratios: Readonly<Record<string, number>>;
  readonly targets: readonly Target[];
}

export interface Benchmark {
  /** Of its files and targets. */
  readonly name: string;
  readonly description: string;
  readonly prepare: (setting: Setting) => Promise<Plan>;
  /** Rows are in the order of the contenders; those left out are missing. */
  readonly judge: (rows: readonly Row[]) => Judgement;
}

/**
 * A whole run: reads the command line, lets the contenders take turns, writes `bench/out/NAME.json`, prints. Numbers
 * never make it fail; wrong work does.
 */
export async function runBenchmark(benchmark: Benchmark): Promise<void> {
  const options = readOptions(benchmark.name, benchmark.description);
  const report = await measure(benchmark, options);
  const json = `${JSON.stringify(report, null, 2)}\n`;
  const directory = join(packageRoot, "bench/out");
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, `${benchmark.name}.json`), json);
  process.stdout.write(options.json ? json : reportText(report));
}

async function measure(benchmark: Benchmark, options: BenchmarkOptions): Promise<Report> {
  const python = findPython();
  const machine = readMachine(python);
  const date = new Date().toISOString();
  const interrupted = interruption();
  await using resources = new CleanupStack();
  const plan = await benchmark.prepare({ ...options, python, resources });
  const rows = await Promise.race([takeTurns(plan, options.only), interrupted]);
  return {
    name: benchmark.name,
    rows: rows.filter(({ role }) => role !== "floor"),
    floors: rows.filter(({ role }) => role === "floor"),
    ...benchmark.judge(rows),
    left_out: plan.leftOut,
    quick: options.quick,
    only: options.only,
    rounds: { warm_up: plan.rounds.warmUp, measured: plan.rounds.measured },
    machine,
    date,
    commit: readCommit(),
  };
}

async function takeTurns(plan: Plan, texts: readonly string[]): Promise<readonly Row[]> {
  const samples = await interleave(only(plan.contenders, texts), plan.rounds, showProgress);
  const once = { warmUp: 0, measured: 1 };
  const late = await interleave(only(plan.afterwards ?? [], texts), once);
  return rowsOf(new Map([...samples, ...late]));
}

/** Rejects when we are told to end, so that daemons and drivers end with us. */
function interruption(): Promise<never> {
  const interrupted = new Promise<never>((_resolve, reject) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.once(signal, () => {
        reject(new Error(`Ended by ${signal}`));
      });
    }
  });
  // It may come while nobody waits for it yet.
  interrupted.catch(() => undefined);
  return interrupted;
}

function showProgress(done: number, all: number): void {
  if (!process.stderr.isTTY) return;
  process.stderr.write(`\rround ${done} of ${all}${done === all ? "\n" : ""}`);
}
