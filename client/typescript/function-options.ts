import { fileURLToPath } from "node:url";
import type { DeepPartial, FunctionTarget } from "../../proto/gen/forkbus/v1/types.js";
import type { CallerPlace } from "./caller-place.js";
import { encodeValues, type Payload } from "./payload.js";
import type { StartMethod } from "./start-facts.js";

/** A resource by its name, or by a handle of it. */
export type Named = string | { readonly name: string };

/** What a function is called with. At most one of these; none is a call without arguments. */
export interface Arguments {
  /** Positional arguments, which travel as JSON. */
  readonly args?: readonly unknown[];
  /**
   * Arguments that are encoded already: `raw` is one argument of bytes, `pickle` a pair of a tuple and a dict, `json` an
   * array or an object.
   */
  readonly payload?: Payload;
}

export interface PythonArguments extends Arguments {
  /** Keyword arguments, which travel as JSON, in place of positional ones. */
  readonly kwargs?: Readonly<Record<string, unknown>>;
}

/** Where a function is found. */
export interface ModuleOptions {
  /**
   * Directories on the daemon's host that are searched before all others; in node, relative files and packages are
   * resolved from the first. Default: the directory of this program's main file, when the daemon is on this host (a
   * `unix:` address); nothing otherwise.
   */
  readonly modulePath?: readonly string[];
}

/** What goes for a function of any language. */
export interface FunctionOptions extends Arguments, ModuleOptions {
  /** Encoding of what the function returns. Default: that of the arguments, which is `json` unless there is a payload. */
  readonly resultEncoding?: string;
  /** Template to start from. Default: the built-in one of the language, `python` or `node`. */
  readonly template?: Named;
  /**
   * `forkserver`: forked from the template's zygote. `spawn`: the same, in a fresh interpreter. `fork`: from the live
   * worker that `forkFrom` names. Default: `fork` with `forkFrom`, else `forkserver`.
   */
  readonly method?: StartMethod;
  /** A worker that called `serveForks()`: the new one begins with all its state. */
  readonly forkFrom?: Named;
}

/** A function of any language, and how to call it. */
export interface FunctionCall extends PythonArguments, ModuleOptions {
  readonly function: string | URL;
  readonly resultEncoding?: string;
  readonly mainFile?: string;
}

/** A function target as it is on the wire. */
export function functionTarget(
  call: FunctionCall,
  place: CallerPlace,
): DeepPartial<FunctionTarget> {
  return {
    function: functionName(call.function),
    arguments: encodeArguments(call),
    resultEncoding: call.resultEncoding ?? "",
    modulePath: call.modulePath?.map(place.path) ?? [...place.modulePath],
    mainFile: call.mainFile === undefined ? "" : place.path(call.mainFile),
  };
}

export function nameOf(named: Named): string {
  return typeof named === "string" ? named : named.name;
}

/** `new URL("./jobs.js#resize", import.meta.url)` is the function `resize` of that file. */
function functionName(name: string | URL): string {
  if (typeof name === "string") return name;
  const file = new URL(name);
  file.hash = "";
  return fileURLToPath(file) + decodeURIComponent(name.hash);
}

function encodeArguments({ args, kwargs, payload }: PythonArguments): Payload {
  const given = [args, kwargs, payload].filter((one) => one !== undefined);
  if (given.length > 1) {
    throw new TypeError(
      "Arguments are positional (args), by keyword (kwargs) or encoded already (payload), and only one of these",
    );
  }
  if (payload !== undefined) return payload;
  const values = args ?? kwargs;
  const data = values === undefined ? new Uint8Array() : encodeValues(values);
  return { data, encoding: "json" };
}
