import { isAbsolute, resolve } from "node:path";
import {
  type ProcessOptions,
  type ProgramTarget,
  type RlimitOption,
  type WorkerOptions,
} from "../client/typescript/process-options.js";
import { type FunctionCallOptions, functionTarget, type ModulePlace } from "./function-options.js";
import { type CpuChoice, parseCpuChoice } from "./parse/cpu-choice.js";
import { parseDurationMs } from "./parse/duration.js";
import { parseEnvironment } from "./parse/environment-entry.js";
import { parseLabels } from "./parse/label.js";
import { parseResourceLimit } from "./parse/resource-limit.js";
import { parseBytes, parseUmask } from "./parse/whole-number.js";
import { treeLimits, type TreeLimitOptions } from "./tree-limits.js";
import { UsageError } from "./usage-error.js";

/** Options of `run`, as commander reads them. */
export interface RunOptions extends FunctionCallOptions, TreeLimitOptions {
  readonly detach?: boolean;
  readonly rm?: boolean;
  readonly name?: string;
  readonly label?: readonly string[];
  readonly cpus?: string;
  readonly cpusWait?: string;
  readonly env?: readonly string[];
  readonly cwd?: string;
  readonly user?: string;
  readonly rlimit?: readonly string[];
  readonly umask?: string;
  readonly mergeStderr?: boolean;
  readonly keepOutput?: string;
  /** `--stdin` and `--no-stdin`; neither leaves it to what stdin is. */
  readonly stdin?: boolean;
}

/** Where `run` was called. */
export interface RunPlace extends ModulePlace {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdinIsTerminal: boolean;
}

/** What an attached run lets the daemon keep of a stream that is read more slowly than it is written. */
const attachedOutputBytes = 1024 ** 3;
const leastOutputBytes = 1n << 16n;
const mostOutputBytes = 1n << 50n;

/** The worker that a command line asks for; a UsageError names the option that makes no sense. */
export function workerOptions(
  argv: readonly string[],
  options: RunOptions,
  place: RunPlace,
): ProcessOptions {
  if (options.detach === true && options.rm === true) {
    throw new UsageError(
      "--rm removes the record when this program ends, so it does not go with --detach",
    );
  }
  if (options.detach === true && options.stdin === true) {
    throw new UsageError("--stdin does not go with --detach: nobody would be there to pass it on");
  }
  const target = functionTarget(options, place);
  if (target !== undefined && argv.length > 0) {
    throw new UsageError("A function takes its arguments from --args, and no command beside it");
  }
  if (argv[0] === "") throw new UsageError("The command is empty: there is nothing to run");
  if (options.name === "") throw new UsageError("--name takes a name, and got an empty one");
  const cwd = workingDirectory(options.cwd, place);
  const worker = settings(options, place, cwd);
  return target === undefined
    ? { ...worker, ...programTarget(argv, cwd) }
    : { ...worker, ...target };
}

function settings(options: RunOptions, place: RunPlace, cwd: string | undefined): WorkerOptions {
  const logMaxBytes = outputBytes(options);
  const cpus = cpuOption(options);
  const limits = treeLimits(options);
  return {
    env: parseEnvironment(options.env ?? [], place.env),
    labels: parseLabels(options.label ?? []),
    rlimits: resourceLimits(options.rlimit ?? []),
    openStdin: options.detach !== true && (options.stdin ?? !place.stdinIsTerminal),
    mergeStderr: options.mergeStderr === true,
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(cpus === undefined ? {} : { cpus }),
    ...(options.user === undefined ? {} : { runAs: options.user }),
    ...(logMaxBytes === undefined ? {} : { logMaxBytes }),
    ...(options.umask === undefined ? {} : { umask: parseUmask(options.umask) }),
    ...(limits === undefined ? {} : { limits }),
  };
}

/** A relative path means one from here, as in a shell; a bare name is looked up in the worker's PATH. */
function programTarget(argv: readonly string[], cwd: string | undefined): ProgramTarget {
  const [program = ""] = argv;
  const isRelative = program.includes("/") && !isAbsolute(program);
  return cwd !== undefined && isRelative ? { argv, path: resolve(cwd, program) } : { argv };
}

/** Undefined leaves it to the daemon. */
function outputBytes({ keepOutput, detach }: RunOptions): number | undefined {
  if (keepOutput === undefined) return detach === true ? undefined : attachedOutputBytes;
  return Number(parseBytes("--keep-output", keepOutput, leastOutputBytes, mostOutputBytes));
}

function workingDirectory(given: string | undefined, place: RunPlace): string | undefined {
  if (place.isLocal) {
    return given === undefined ? place.workingDir() : resolve(place.workingDir(), given);
  }
  if (given !== undefined && !isAbsolute(given)) {
    throw new UsageError(`--cwd is absolute when the daemon is on another host, got "${given}"`);
  }
  return given;
}

function cpuOption({ cpus, cpusWait }: RunOptions): WorkerOptions["cpus"] {
  const choice = cpus === undefined ? undefined : parseCpuChoice(cpus);
  if (cpusWait !== undefined && choice?.kind !== "exclusive") {
    throw new UsageError("--cpus-wait goes with --cpus exclusive:N: other CPUs need no waiting");
  }
  const waitMs = cpusWait === undefined ? 0 : parseDurationMs("--cpus-wait", cpusWait);
  return choice === undefined ? undefined : cpusOf(choice, waitMs);
}

/** The same as an option of the client. */
export function cpusOf(choice: CpuChoice, waitMs: number): NonNullable<WorkerOptions["cpus"]> {
  switch (choice.kind) {
    case "exclusive":
      return { exclusive: choice.count, layout: choice.layout, waitMs };
    case "count":
      return choice.count;
    case "unpinned":
      return 0;
    case "list":
      return choice.cpus;
  }
}

function resourceLimits(texts: readonly string[]): Readonly<Record<string, RlimitOption>> {
  const limits = texts.map(parseResourceLimit);
  return Object.fromEntries(limits.map(({ resource, soft, hard }) => [resource, { soft, hard }]));
}
