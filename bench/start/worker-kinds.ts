import { dirname, join } from "node:path";
import type { ProcessOptions, TemplateOptions, TemplateRuntime } from "forkbus";
import { packageRoot } from "../../server/kernel/package-root.js";

/** A file of functions for workers, and what a template loads so that they begin at once. */
export interface WorkerKind {
  readonly runtime: TemplateRuntime;
  readonly file: string;
  readonly preload: readonly string[];
  readonly target: (name: FunctionName) => { readonly python: string } | { readonly node: string };
}

export type FunctionName = "firstLine" | "nothing" | "idle";

const pythonNames: Readonly<Record<FunctionName, string>> = {
  firstLine: "first_line",
  nothing: "nothing",
  idle: "idle",
};

function nodeKind(name: string): WorkerKind {
  const file = join(packageRoot, "bench/start", name);
  const target = (of: FunctionName) => ({ node: `${file}#${of}` });
  return { runtime: "node", file, preload: [file], target };
}

export const python: WorkerKind = {
  runtime: "python",
  file: join(packageRoot, "bench/start/worker_functions.py"),
  preload: ["json", "asyncio", "email", "sqlite3", "unittest", "xml", "worker_functions"],
  target: (of) => ({ python: `worker_functions:${pythonNames[of]}` }),
};
export const nodeBare = nodeKind("worker-functions.cjs");
export const nodeTypescript = nodeKind("worker-functions-typescript.cjs");

export const workerKinds: Readonly<Record<string, WorkerKind>> = {
  python,
  "node-bare": nodeBare,
  "node-typescript": nodeTypescript,
};

/** A process that calls one of the functions. */
export function processOf(kind: WorkerKind, template: string, name: FunctionName): ProcessOptions {
  return { ...kind.target(name), template, modulePath: [dirname(kind.file)] };
}

export function templateOf({ runtime, file, preload }: WorkerKind, name: string): TemplateOptions {
  return { name, runtime, preload, modulePath: [dirname(file)] };
}
