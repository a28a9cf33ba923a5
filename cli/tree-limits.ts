import { type Command } from "commander";
import { type TreeLimits } from "../client/typescript/process-options.js";
import { parseCpuMilli } from "./parse/cpu-milli.js";
import { parseBytes, parseWholeNumber } from "./parse/whole-number.js";

/** Options of limits by cgroup v2, as commander reads them. */
export interface TreeLimitOptions {
  readonly memoryMax?: string;
  readonly memoryHigh?: string;
  readonly pidsMax?: string;
  readonly cpuWeight?: string;
  readonly cpuMax?: string;
  readonly bestEffort?: boolean;
}

const mostBytes = 1n << 50n;
const mostPids = 4_194_304;

export function addTreeLimitOptions(command: Command): Command {
  const heading = "Limits for the worker and all that it starts, together (cgroup v2):";
  const options: readonly (readonly [string, string])[] = [
    ["--memory-max <size>", "memory, such as 512M or 2GiB; above it the kernel kills"],
    ["--memory-high <size>", "above this the worker is slowed down, and memory is taken back"],
    ["--pids-max <n>", "processes and threads"],
    ["--cpu-weight <n>", "share of CPU time under contention, 1 to 10000 (default: 100)"],
    ["--cpu-max <cpus>", "CPU time, such as 1.5 for that of one and a half CPUs"],
    ["--best-effort", "run without those that this host cannot enforce, instead of failing"],
  ];
  for (const [flags, text] of options) {
    command.addOption(command.createOption(flags, text).helpGroup(heading));
  }
  return command;
}

/** Undefined when none is asked for. A UsageError names the option that makes no sense. */
export function treeLimits(options: TreeLimitOptions): TreeLimits | undefined {
  const { memoryMax, memoryHigh, pidsMax, cpuWeight, cpuMax, bestEffort } = options;
  const limits: TreeLimits = {
    ...(memoryMax === undefined ? {} : { memoryMaxBytes: bytes("--memory-max", memoryMax) }),
    ...(memoryHigh === undefined ? {} : { memoryHighBytes: bytes("--memory-high", memoryHigh) }),
    ...(pidsMax === undefined
      ? {}
      : { pidsMax: parseWholeNumber("--pids-max", pidsMax, 1, mostPids) }),
    ...(cpuWeight === undefined
      ? {}
      : { cpuWeight: parseWholeNumber("--cpu-weight", cpuWeight, 1, 10_000) }),
    ...(cpuMax === undefined ? {} : { cpuMaxMilli: parseCpuMilli("--cpu-max", cpuMax) }),
    ...(bestEffort === undefined ? {} : { bestEffort }),
  };
  return Object.keys(limits).length === 0 ? undefined : limits;
}

function bytes(option: string, text: string): number {
  return Number(parseBytes(option, text, 1n, mostBytes));
}
