import { statSync } from "node:fs";
import { createRequire } from "node:module";
import { isAbsolute, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { compileFunction, constants } from "node:vm";

/** What a module exports, by name. */
export type Exports = Readonly<Record<string, unknown>>;

/**
 * Loads modules as a program in `base` would: packages by their name, files by an absolute path or one relative to it,
 * ECMAScript modules and CommonJS alike. What has been loaded is remembered, for processes that are forked afterwards.
 */
export class ModuleLoader {
  readonly #loaded = new Map<string, Exports>();

  async load(name: string, base: string): Promise<Exports> {
    const key = `${base}\0${name}`;
    const known = this.#loaded.get(key);
    if (known !== undefined) return known;
    const file = fileOf(name, base);
    const exports =
      file === undefined
        ? await importFrom(base, name)
        : exportsOf(await import(pathToFileURL(file).href));
    this.#loaded.set(key, exports);
    return exports;
  }

  /** Whether it is there already, so that nothing has to be waited for. */
  loaded(name: string, base: string): Exports | undefined {
    return this.#loaded.get(`${base}\0${name}`);
  }
}

/** The directory that names are looked up from. */
export function baseOf(searchPath: readonly string[]): string {
  return resolve(searchPath[0] ?? process.cwd());
}

/** Undefined when it is a package, or a module of Node's. */
function fileOf(name: string, base: string): string | undefined {
  const path = isAbsolute(name) ? name : join(base, name);
  // As require() does, for the sake of names without extension.
  if (isAbsolute(name) || /^\.\.?(\/|$)/.test(name))
    return createRequire(inside(base)).resolve(path);
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true ? path : undefined;
}

function inside(base: string): string {
  return join(base, "forkbus");
}

/** An import() that is written in a file of this directory, so that packages are found from there. */
async function importFrom(base: string, specifier: string): Promise<Exports> {
  const load: unknown = compileFunction("return import(specifier)", ["specifier"], {
    filename: inside(base),
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  if (typeof load !== "function") throw new TypeError("compileFunction made no function");
  const loading: unknown = quietly((): unknown => Reflect.apply(load, undefined, [specifier]));
  return exportsOf(await loading);
}

/** Node 20 warns as soon as the import() begins that this option is experimental; users of ours can do nothing about it. */
function quietly<T>(act: () => T): T {
  const emitWarning: unknown = Reflect.get(process, "emitWarning");
  Reflect.set(process, "emitWarning", () => undefined);
  try {
    return act();
  } finally {
    Reflect.set(process, "emitWarning", emitWarning);
  }
}

function exportsOf(value: unknown): Exports {
  if (isExports(value)) return value;
  throw new TypeError("A module without exports");
}

function isExports(value: unknown): value is Exports {
  return typeof value === "object" && value !== null;
}
