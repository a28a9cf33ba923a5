import {
  CpuLayout,
  CpuPolicy,
  type CpuRequest,
  type DeepPartial,
  OnExit,
  type Process as ProcessMessage,
  type ProcessSpec,
  type ResourceLimits,
  StdioMode,
  type StopPolicy,
} from "../../proto/gen/forkbus/v1/process.js";
import type { CallerPlace } from "./caller-place.js";
import {
  type FunctionOptions,
  functionTarget,
  nameOf,
  type PythonArguments,
} from "./function-options.js";
import { methodNumber } from "./start-facts.js";

/** What to run, a program or a function, and how. What is not given is the daemon's default. */
export type ProcessOptions = WorkerOptions & (ProgramTarget | PythonTarget | NodeTarget);

/** Any program, started afresh. */
export interface ProgramTarget {
  /** The program and its arguments. */
  readonly argv?: readonly string[];
  /** The program, where it is another than `argv[0]`: absolute, or a name to look up in the worker's PATH. */
  readonly path?: string;
  readonly python?: undefined;
  readonly node?: undefined;
}

/** A Python function. */
export interface PythonTarget extends FunctionOptions, PythonArguments {
  /** `module:function`; dots are allowed on both sides. */
  readonly python: string;
  /** A main file to import as `__mp_main__`, where the functions of a pickled payload are found. */
  readonly mainFile?: string;
  readonly node?: undefined;
}

/** A JavaScript function; one that is asynchronous is awaited. */
export interface NodeTarget extends FunctionOptions {
  /** `file#export`, `package#export` or `new URL("./file.js#export", import.meta.url)`; without `#`, the default export. */
  readonly node: string | URL;
  readonly python?: undefined;
}

/** CPUs for one worker alone; workers that share them are moved away first. */
export interface ExclusiveCpus {
  /** How many. */
  readonly exclusive: number;
  /** Close together (the default), far apart, or whole cores with all their SMT siblings. */
  readonly layout?: "compact" | "spread" | "full-core";
  /** How long to wait for them, after those who asked before. Default 0: creating fails when there are none. */
  readonly waitMs?: number;
}

/** What goes for all workers. */
export interface WorkerOptions {
  /** Default: the daemon makes one. */
  readonly name?: string;
  /** Added to the daemon's base environment; this program's own environment is not passed on. */
  readonly env?: Readonly<Record<string, string>>;
  /** Absolute. Default: the template's, else `/`. */
  readonly cwd?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * A number: pinned to that many CPUs, those with the fewest workers. A list: pinned to these. `"all"` or 0: not
   * pinned. `{ exclusive: 2 }`: pinned to CPUs on which no other worker is. Default: 1.
   */
  readonly cpus?: number | "all" | readonly number[] | ExclusiveCpus;
  /** By the kernel's names, such as `RLIMIT_NOFILE`. `undefined` as a limit means unlimited. */
  readonly rlimits?: Readonly<Record<string, RlimitOption>>;
  /** For the worker and all its descendants together, by cgroup v2. */
  readonly limits?: TreeLimits;
  /** Default 0o022. */
  readonly umask?: number;
  /** Whether `stdin` is a pipe that can be written to. Default: /dev/null. */
  readonly openStdin?: boolean;
  /** stderr goes where stdout goes, which keeps the exact order of both. */
  readonly mergeStderr?: boolean;
  /** `"null"` throws the output away. Default: it is kept and can be read. */
  readonly stdout?: "keep" | "null";
  readonly stderr?: "keep" | "null";
  /** What becomes of descendants when the worker itself exits. Default: they are killed. */
  readonly onExit?: "kill-tree" | "wait-tree";
  /** User to run as, by name or number. */
  readonly runAs?: string;
  /** How much output is kept, for each of stdout and stderr. */
  readonly logMaxBytes?: number;
  /** How `stop` ends it unless it says otherwise. */
  readonly stopSignal?: string;
  readonly graceMs?: number;
}

export interface RlimitOption {
  readonly soft?: number | bigint | undefined;
  readonly hard?: number | bigint | undefined;
}

/** Limits for the worker and its descendants together. What is not given is not limited. */
export interface TreeLimits {
  /** Above this the kernel kills. */
  readonly memoryMaxBytes?: number;
  /** Above this the tree is slowed down and reclaimed from. */
  readonly memoryHighBytes?: number;
  /** Processes and threads. */
  readonly pidsMax?: number;
  /** Share of CPU time under contention, 1 to 10 000. Default: the kernel's, 100. */
  readonly cpuWeight?: number;
  /** CPU time in thousandths of one CPU: 1500 is one and a half. */
  readonly cpuMaxMilli?: number;
  /**
   * Where cgroup v2 is not delegated to the keeper, starting fails with KERNEL_FEATURE_MISSING; with this, the worker
   * runs without these limits, and `unenforcedLimits` says so.
   */
  readonly bestEffort?: boolean;
}

/** The request that makes a process. */
export function processMessage(
  options: ProcessOptions,
  place: CallerPlace,
): DeepPartial<ProcessMessage> {
  const spec: DeepPartial<ProcessSpec> = {
    target: processTarget(options, place),
    ...startOptions(options),
    env: { ...options.env },
    workingDir: options.cwd ?? "",
    openStdin: options.openStdin ?? false,
    mergeStderr: options.mergeStderr ?? false,
    cpus: cpuRequest(options.cpus),
    onExit: options.onExit === "wait-tree" ? OnExit.WAIT_TREE : OnExit.KILL_TREE,
    stdout: options.stdout === "null" ? StdioMode.NULL : StdioMode.FILE,
    stderr: options.stderr === "null" ? StdioMode.NULL : StdioMode.FILE,
    limits: { rlimits: rlimits(options.rlimits ?? {}), ...treeLimits(options.limits ?? {}) },
    stop: stopPolicy(options),
    ...(options.umask === undefined ? {} : { umask: options.umask }),
    ...(options.runAs === undefined ? {} : { runAs: { user: options.runAs } }),
    ...(options.logMaxBytes === undefined
      ? {}
      : { logRetention: { maxBytes: options.logMaxBytes } }),
  };
  return { name: options.name ?? "", labels: { ...options.labels }, spec };
}

function processTarget(
  options: ProcessOptions,
  place: CallerPlace,
): DeepPartial<ProcessSpec>["target"] {
  if (options.python !== undefined) {
    const value = functionTarget({ ...options, function: options.python }, place);
    return { $case: "python", value };
  }
  if (options.node !== undefined) {
    return { $case: "node", value: functionTarget({ ...options, function: options.node }, place) };
  }
  return { $case: "exec", value: { path: options.path ?? "", argv: [...(options.argv ?? [])] } };
}

function startOptions(options: ProcessOptions): DeepPartial<ProcessSpec> {
  if (options.python === undefined && options.node === undefined) return {};
  const { method, template, forkFrom } = options;
  return {
    startMethod: methodNumber(method),
    template: template === undefined ? "" : nameOf(template),
    forkFrom: forkFrom === undefined ? "" : nameOf(forkFrom),
  };
}

function treeLimits(limits: TreeLimits): DeepPartial<ResourceLimits> {
  return {
    memoryMaxBytes: BigInt(limits.memoryMaxBytes ?? 0),
    memoryHighBytes: BigInt(limits.memoryHighBytes ?? 0),
    pidsMax: limits.pidsMax ?? 0,
    cpuWeight: limits.cpuWeight ?? 0,
    cpuMaxMilli: limits.cpuMaxMilli ?? 0,
    bestEffort: limits.bestEffort ?? false,
  };
}

export function stopPolicy(options: {
  readonly stopSignal?: string;
  readonly graceMs?: number;
}): DeepPartial<StopPolicy> {
  return {
    signal: options.stopSignal ?? "",
    ...(options.graceMs === undefined ? {} : { graceMs: options.graceMs }),
  };
}

export function cpuRequest(cpus: ProcessOptions["cpus"]): DeepPartial<CpuRequest> {
  if (cpus === undefined) return {};
  if (cpus === "all" || cpus === 0) return { policy: CpuPolicy.NONE };
  if (typeof cpus === "number") return { policy: CpuPolicy.SHARED, count: cpus };
  if (!("exclusive" in cpus)) return { policy: CpuPolicy.EXPLICIT, cpus: [...cpus] };
  return {
    policy: CpuPolicy.EXCLUSIVE,
    count: cpus.exclusive,
    layout: LAYOUTS[cpus.layout ?? "compact"],
    maxWaitMs: cpus.waitMs ?? 0,
  };
}

const LAYOUTS = {
  compact: CpuLayout.COMPACT,
  spread: CpuLayout.SPREAD,
  "full-core": CpuLayout.FULL_CORE,
} as const;

function rlimits(limits: Readonly<Record<string, RlimitOption>>) {
  return Object.entries(limits).map(([resource, { soft, hard }]) => ({
    resource,
    ...(soft === undefined ? {} : { soft: BigInt(soft) }),
    ...(hard === undefined ? {} : { hard: BigInt(hard) }),
  }));
}
