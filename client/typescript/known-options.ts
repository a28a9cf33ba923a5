import type { FunctionOptions } from "./function-options.js";
import type {
  NodeTarget,
  ProcessOptions,
  ProgramTarget,
  PythonTarget,
  WorkerOptions,
} from "./process-options.js";
import type { InitCall, TemplateOptions } from "./template-options.js";

// The compiler sees to it that each table has every option, and no other.
const WORKER = {
  name: true,
  env: true,
  cwd: true,
  labels: true,
  cpus: true,
  rlimits: true,
  limits: true,
  umask: true,
  openStdin: true,
  mergeStderr: true,
  stdout: true,
  stderr: true,
  onExit: true,
  runAs: true,
  logMaxBytes: true,
  stopSignal: true,
  graceMs: true,
} satisfies Record<keyof WorkerOptions, true>;

const FUNCTION = {
  args: true,
  payload: true,
  modulePath: true,
  resultEncoding: true,
  template: true,
  method: true,
  forkFrom: true,
} satisfies Record<keyof FunctionOptions, true>;

const PROGRAM = {
  ...WORKER,
  argv: true,
  path: true,
} satisfies Record<keyof WorkerOptions | Exclude<keyof ProgramTarget, "python" | "node">, true>;

const PYTHON = {
  ...WORKER,
  ...FUNCTION,
  python: true,
  kwargs: true,
  mainFile: true,
} satisfies Record<keyof WorkerOptions | Exclude<keyof PythonTarget, "node">, true>;

const NODE = {
  ...WORKER,
  ...FUNCTION,
  node: true,
} satisfies Record<keyof WorkerOptions | Exclude<keyof NodeTarget, "python">, true>;

const TEMPLATE = {
  name: true,
  runtime: true,
  labels: true,
  interpreter: true,
  parent: true,
  preload: true,
  init: true,
  env: true,
  cwd: true,
  runAs: true,
  preloadTimeoutMs: true,
  warmWorkers: true,
  keepFds: true,
  modulePath: true,
} satisfies Record<keyof TemplateOptions, true>;

const INIT = {
  function: true,
  args: true,
  kwargs: true,
  payload: true,
} satisfies Record<keyof InitCall, true>;

type Known = Readonly<Record<string, true>>;

/** Throws a TypeError for a second target, and for what is no option of a process with this one: a slip of JavaScript's. */
export function checkProcessOptions(options: ProcessOptions): void {
  const targets = (["argv", "python", "node"] as const).filter((target) =>
    isGiven(options, target),
  );
  if (targets.length > 1) throw new TypeError(`A process runs one thing, got ${and(targets)}`);
  const [target] = targets;
  if (target === "python") check(options, PYTHON, "A python function");
  else if (target === "node") check(options, NODE, "A node function");
  else check(options, PROGRAM, "A program");
}

export function checkTemplateOptions({ init, ...options }: Partial<TemplateOptions>): void {
  check(options, TEMPLATE, "A template");
  if (typeof init === "object" && !(init instanceof URL)) check(init, INIT, "An init");
}

function check(options: object, known: Known, what: string): void {
  const others = Object.keys(options).filter(
    (name) => !Object.hasOwn(known, name) && isGiven(options, name),
  );
  if (others.length > 0) throw new TypeError(`${what} has no option ${and(others)}`);
}

function isGiven(options: object, name: string): boolean {
  return Reflect.get(options, name) !== undefined;
}

function and(names: readonly string[]): string {
  return names.join(" and ");
}
