import { isAbsolute, resolve } from "node:path";
import { type Command, Option } from "commander";
import { type FunctionOptions } from "../client/typescript/function-options.js";
import { type NodeTarget, type PythonTarget } from "../client/typescript/process-options.js";
import { type StartMethod } from "../client/typescript/start-facts.js";
import { collect } from "./parse/collect.js";
import { parseJsonArguments } from "./parse/json-arguments.js";
import { UsageError } from "./usage-error.js";

/** Options of `run` for a function, as commander reads them. */
export interface FunctionCallOptions {
  readonly python?: string;
  readonly node?: string;
  readonly args?: string;
  readonly template?: string;
  readonly method?: StartMethod;
  readonly forkFrom?: string;
  readonly modulePath?: readonly string[];
}

/** Where modules are looked for, and whether the daemon sees the same directories. */
export interface ModulePlace {
  readonly isLocal: boolean;
  readonly workingDir: () => string;
}

export function addFunctionOptions(command: Command): Command {
  const heading = "A function in place of a command:";
  const options = [
    new Option("--python <module:function>", "call a Python function"),
    new Option("--node <file#export>", "call a JavaScript function of a file or package"),
    new Option(
      "--args <json>",
      "its arguments: an array of positional ones; an object of keyword arguments (node: the one argument)",
    ),
    new Option("--template <name>", "start from this template (default: python or node)"),
    new Option(
      "--method <method>",
      "forkserver: forked from the template's zygote; spawn: a fresh interpreter; fork: see --fork-from",
    ).choices(["forkserver", "spawn", "fork"]),
    new Option("--fork-from <name>", "fork a live worker that serves forks, with all its state"),
    new Option("--module-path <dir>", moduleHelp).argParser(collect),
  ];
  for (const option of options) command.addOption(option.helpGroup(heading));
  return command;
}

const moduleHelp =
  "directory to look for modules in before all others (repeatable; default: this one; with tcp:// none)";

/** Undefined when no function is asked for. A UsageError names the option that makes no sense. */
export function functionTarget(
  options: FunctionCallOptions,
  place: ModulePlace,
): PythonTarget | NodeTarget | undefined {
  const { python, node, args, template, method, forkFrom } = options;
  if (python === undefined && node === undefined) {
    refuseWithoutFunction(options);
    return undefined;
  }
  const shared: FunctionOptions = {
    modulePath: modulePath(options.modulePath, place),
    resultEncoding: "json",
    ...(args === undefined ? {} : { payload: parseJsonArguments("--args", args) }),
    ...(template === undefined ? {} : { template }),
    ...(method === undefined ? {} : { method }),
    ...(forkFrom === undefined ? {} : { forkFrom }),
  };
  if (python === "" || node === "") throw new UsageError("The name of the function is empty");
  return python === undefined ? { ...shared, node: node ?? "" } : { ...shared, python };
}

/** Absolute directories of the daemon's host. */
export function modulePath(
  given: readonly string[] | undefined,
  { isLocal, workingDir }: ModulePlace,
): readonly string[] {
  if (isLocal) return (given ?? ["."]).map((directory) => resolve(workingDir(), directory));
  const relative = given?.find((directory) => !isAbsolute(directory));
  if (relative === undefined) return given ?? [];
  throw new UsageError(
    `--module-path is absolute when the daemon is on another host, got "${relative}"`,
  );
}

function refuseWithoutFunction(options: FunctionCallOptions): void {
  const { args, template, method, forkFrom } = options;
  const given = {
    args,
    template,
    method,
    "fork-from": forkFrom,
    "module-path": options.modulePath,
  };
  const [name] = Object.entries(given).find(([, value]) => value !== undefined) ?? [];
  if (name === undefined) return;
  throw new UsageError(`--${name} goes with a function: --python or --node`);
}
