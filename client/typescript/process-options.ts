import {
  CpuPolicy,
  type CpuRequest,
  type DeepPartial,
  OnExit,
  type Process as ProcessMessage,
  type ProcessSpec,
  StdioMode,
  type StopPolicy,
} from "../../proto/gen/forkbus/v1/process.js";

/** What to run, and how. What is not given is the daemon's default. */
export interface ProcessOptions {
  /** The program and its arguments. */
  readonly argv?: readonly string[];
  /** The program, where it is another than `argv[0]`: absolute, or a name to look up in the worker's PATH. */
  readonly path?: string;
  /** Default: the daemon makes one. */
  readonly name?: string;
  /** Added to the daemon's base environment; this program's own environment is not passed on. */
  readonly env?: Readonly<Record<string, string>>;
  /** Absolute. Default: `/`. */
  readonly cwd?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * A number: pinned to that many CPUs, those with the fewest workers. A list: pinned to these. `"all"` or 0: not
   * pinned. Default: 1.
   */
  readonly cpus?: number | "all" | readonly number[];
  /** By the kernel's names, such as `RLIMIT_NOFILE`. `undefined` as a limit means unlimited. */
  readonly rlimits?: Readonly<Record<string, RlimitOption>>;
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

/** The request that makes a process. */
export function processMessage(options: ProcessOptions): DeepPartial<ProcessMessage> {
  const spec: DeepPartial<ProcessSpec> = {
    target: {
      $case: "exec",
      value: { path: options.path ?? "", argv: [...(options.argv ?? [])] },
    },
    env: { ...options.env },
    workingDir: options.cwd ?? "",
    openStdin: options.openStdin ?? false,
    mergeStderr: options.mergeStderr ?? false,
    cpus: cpuRequest(options.cpus),
    onExit: options.onExit === "wait-tree" ? OnExit.WAIT_TREE : OnExit.KILL_TREE,
    stdout: options.stdout === "null" ? StdioMode.NULL : StdioMode.FILE,
    stderr: options.stderr === "null" ? StdioMode.NULL : StdioMode.FILE,
    limits: { rlimits: rlimits(options.rlimits ?? {}) },
    stop: stopPolicy(options),
    ...(options.umask === undefined ? {} : { umask: options.umask }),
    ...(options.runAs === undefined ? {} : { runAs: { user: options.runAs } }),
    ...(options.logMaxBytes === undefined
      ? {}
      : { logRetention: { maxBytes: options.logMaxBytes } }),
  };
  return { name: options.name ?? "", labels: { ...options.labels }, spec };
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

function cpuRequest(cpus: ProcessOptions["cpus"]): DeepPartial<CpuRequest> {
  if (cpus === undefined) return {};
  if (cpus === "all" || cpus === 0) return { policy: CpuPolicy.NONE };
  if (typeof cpus === "number") return { policy: CpuPolicy.SHARED, count: cpus };
  return { policy: CpuPolicy.EXPLICIT, cpus: [...cpus] };
}

function rlimits(limits: Readonly<Record<string, RlimitOption>>) {
  return Object.entries(limits).map(([resource, { soft, hard }]) => ({
    resource,
    ...(soft === undefined ? {} : { soft: BigInt(soft) }),
    ...(hard === undefined ? {} : { hard: BigInt(hard) }),
  }));
}
