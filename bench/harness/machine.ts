import { spawnSync } from "node:child_process";
import { cpus, loadavg, release, totalmem } from "node:os";
import { packageRoot } from "../../server/kernel/package-root.js";
import type { Python } from "./python.js";

export interface Machine {
  readonly cpus: number;
  readonly cpu_model: string;
  readonly memory_mib: number;
  readonly arch: string;
  readonly kernel: string;
  readonly node: string;
  readonly python: string | null;
  /** Processes that wanted a CPU in the minute before the run: above 0, others use the machine. */
  readonly load_before: number;
}

export function readMachine(python: Python | undefined): Machine {
  const all = cpus();
  return {
    cpus: all.length,
    cpu_model: all[0]?.model ?? "unknown",
    memory_mib: Math.round(totalmem() / 2 ** 20),
    arch: process.arch,
    kernel: release(),
    node: process.version,
    python: python?.version ?? null,
    load_before: loadavg()[0] ?? NaN,
  };
}

/** The commit that was measured, with `+changes` when the tree differs from it; null outside a clone. */
export function readCommit(): string | null {
  const commit = git("rev-parse", "HEAD");
  if (commit === null) return null;
  return git("status", "--porcelain") === "" ? commit : `${commit}+changes`;
}

function git(...args: readonly string[]): string | null {
  const { status, stdout } = spawnSync("git", args, { cwd: packageRoot, encoding: "utf8" });
  return status === 0 ? stdout.trim() : null;
}
