import {
  type DeepPartial,
  type Template as TemplateMessage,
  type TemplateSpec,
} from "../../proto/gen/forkbus/v1/template.js";
import { Runtime } from "../../proto/gen/forkbus/v1/types.js";
import type { CallerPlace } from "./caller-place.js";
import {
  type FunctionCall,
  functionTarget,
  type ModuleOptions,
  type Named,
  nameOf,
  type PythonArguments,
} from "./function-options.js";

export type TemplateRuntime = "python" | "node";

/** What workers of a template begin with. What is not given is the daemon's default, or the parent's. */
export interface TemplateSpecOptions extends ModuleOptions {
  /** The interpreter: absolute, or a name to look up in the daemon's PATH. Not with a parent. */
  readonly interpreter?: string;
  /** Template that this one is forked from, with everything that it has loaded. */
  readonly parent?: Named;
  /** Loaded in this order before it is ready: module names in python, packages or absolute files in node. */
  readonly preload?: readonly string[];
  /** Called once, after the preloads; every worker inherits what it computed. */
  readonly init?: string | URL | InitCall;
  /** Added to the daemon's base environment, and to the parent's. */
  readonly env?: Readonly<Record<string, string>>;
  /** Absolute. Default: the parent's, else `/`. */
  readonly cwd?: string;
  /** User to run as, by name or number. Not with a parent. */
  readonly runAs?: string;
  /** Preloads and init must be done in this time. Default 60 000. */
  readonly preloadTimeoutMs?: number;
  /** Workers kept forked in advance. Default 0, and 1 while the template is in use. */
  readonly warmWorkers?: number;
  /** What preloads may leave open and workers then share, such as `/var/log/app.log` or `socket:*`. */
  readonly keepFds?: readonly string[];
}

export interface TemplateOptions extends TemplateSpecOptions {
  readonly name: string;
  readonly runtime: TemplateRuntime;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface InitCall extends PythonArguments {
  /** As `python` or `node` of a process. */
  readonly function: string | URL;
}

const runtimes: Readonly<Record<TemplateRuntime, Runtime>> = {
  python: Runtime.PYTHON,
  node: Runtime.NODE,
};

export function parseRuntime(runtime: Runtime | undefined): TemplateRuntime | undefined {
  switch (runtime) {
    case Runtime.PYTHON:
      return "python";
    case Runtime.NODE:
      return "node";
    case Runtime.UNSPECIFIED:
    case Runtime.UNRECOGNIZED:
    case undefined:
      return undefined;
  }
}

/** The request that makes a template. */
export function templateMessage(
  options: TemplateOptions,
  place: CallerPlace,
): DeepPartial<TemplateMessage> {
  const { name, runtime, labels } = options;
  const spec = templateSpec(runtimes[runtime], options, place);
  return { name, labels: { ...labels }, spec };
}

export function templateSpec(
  runtime: Runtime,
  options: TemplateSpecOptions,
  place: CallerPlace,
): DeepPartial<TemplateSpec> {
  const { parent, init, runAs } = options;
  return {
    runtime,
    interpreter: options.interpreter ?? "",
    parent: parent === undefined ? "" : nameOf(parent),
    preload: [...(options.preload ?? [])],
    env: { ...options.env },
    workingDir: options.cwd ?? "",
    preloadTimeoutMs: options.preloadTimeoutMs ?? 0,
    warmWorkers: options.warmWorkers ?? 0,
    modulePath: options.modulePath?.map(place.path) ?? [...place.modulePath],
    keepFds: [...(options.keepFds ?? [])],
    ...(init === undefined
      ? {}
      : { init: functionTarget(initCall(init), { ...place, modulePath: [] }) }),
    ...(runAs === undefined ? {} : { runAs: { user: runAs } }),
  };
}

function initCall(init: NonNullable<TemplateSpecOptions["init"]>): FunctionCall {
  return typeof init === "string" || init instanceof URL ? { function: init } : init;
}
