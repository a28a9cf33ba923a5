import { types } from "node:util";
import { exactJson } from "../../../wire/exact-json.js";
import { baseOf, type Exports, type ModuleLoader } from "./module-loader.js";

/** A larger result is the worker's error: it is meant for answers, and queues are for data. */
const MOST_RESULT_BYTES = 2 * 1024 * 1024;

export class ResultTooLarge extends Error {
  override readonly name = "ResultTooLarge";
}

export type Callable = (...given: readonly unknown[]) => unknown;

/** `file#export` or `package#export`; the export is `default` when none is named. */
export function splitFunction(name: string): readonly [module: string, exported: string] {
  const at = name.lastIndexOf("#");
  if (at < 0) return [name, "default"];
  return [name.slice(0, at), name.slice(at + 1) || "default"];
}

/** Throws when the module cannot be loaded, or has no such function. */
export async function resolveFunction(
  loader: ModuleLoader,
  name: string,
  searchPath: readonly string[],
): Promise<Callable> {
  const [module, exported] = splitFunction(name);
  const base = baseOf(searchPath);
  const exports = loader.loaded(module, base) ?? (await loader.load(module, base));
  const found = exportOf(exports, exported);
  if (!isCallable(found)) {
    throw new TypeError(
      found === undefined
        ? `${module} exports no ${exported}`
        : `${exported} of ${module} is no function, it is ${typeof found}`,
    );
  }
  return found;
}

/** CommonJS modules have some of their exports, or all, in the default one. */
function exportOf(exports: Exports, name: string): unknown {
  const direct = exports[name];
  if (typeof direct === "function") return direct;
  const whole = exports["default"];
  if (typeof whole !== "object" && typeof whole !== "function") return direct;
  return (whole === null ? undefined : Reflect.get(whole, name)) ?? direct;
}

function isCallable(value: unknown): value is Callable {
  return typeof value === "function";
}

/** Throws when the bytes are not what the encoding says. */
export function decodeArguments(encoding: string, bytes: Buffer): readonly unknown[] {
  if (bytes.length === 0) return [];
  switch (encoding) {
    case "json": {
      const value: unknown = JSON.parse(bytes.toString());
      return Array.isArray(value) ? value : [value];
    }
    case "raw":
      return [bytes];
    default:
      throw new TypeError(`Node takes arguments in json or raw, not in ${encoding}`);
  }
}

/** Throws when the value has no such form, or too long a one. */
export function encodeResult(encoding: string, value: unknown): Buffer {
  const bytes = encodeValue(encoding, value);
  if (bytes.length > MOST_RESULT_BYTES) {
    throw new ResultTooLarge(
      `A result of ${bytes.length} bytes; at most ${MOST_RESULT_BYTES} are kept`,
    );
  }
  return bytes;
}

function encodeValue(encoding: string, value: unknown): Buffer {
  switch (encoding) {
    case "json":
      return Buffer.from(exactJson(value, RESULT));
    case "raw":
      if (value === undefined || value === null) return Buffer.alloc(0);
      if (typeof value === "string") return Buffer.from(value);
      if (ArrayBuffer.isView(value)) {
        return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
      }
      if (types.isAnyArrayBuffer(value)) return Buffer.from(value);
      throw new TypeError(`A raw result is bytes or text, not ${typeof value}`);
    default:
      throw new TypeError(`Node gives results in json or raw, not in ${encoding}`);
  }
}

const RESULT = { whole: "the result", advice: 'bytes go as resultEncoding "raw"' };
