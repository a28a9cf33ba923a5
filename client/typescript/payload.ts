import { jsonCodec } from "./queue-codec.js";

/** Bytes and the label of their encoding: `json`, `pickle` (python only), `raw`, or what both ends agree on. */
export interface Payload {
  readonly data: Uint8Array;
  readonly encoding: string;
}

/**
 * The one value that a worker returned: what JSON says, or the bytes themselves if they are `raw`. Throws a TypeError
 * for an encoding that JavaScript does not read, such as `pickle`.
 */
export function decodeValue({ data, encoding }: Payload): unknown {
  switch (encoding) {
    case "json":
      return jsonCodec.decode(data);
    case "raw":
      return data;
    default:
      throw new TypeError(
        `The result is encoded as ${encoding}: take its bytes with resultPayload(), or ask for ` +
          'resultEncoding: "json"',
      );
  }
}

/** What a `node` function is called with. An object in place of an array is the one argument. */
export function decodeArguments(payload: Payload): readonly unknown[] {
  if (payload.data.length === 0) return [];
  const value = decodeValue(payload);
  return Array.isArray(value) ? value : [value];
}

/**
 * Values as JSON, exactly: what JSON.stringify would change in silence (bytes, maps, functions, NaN, undefined in a
 * list) or refuse (bigints) is a TypeError that says where it is. Dates and others with a `toJSON` are what that gives.
 */
export function encodeValues(values: readonly unknown[] | Readonly<Record<string, unknown>>) {
  const text = JSON.stringify(values, function (this: unknown, key: string, value: unknown) {
    const problem = unsayable(this, key, value);
    if (problem === undefined) return value;
    throw new TypeError(
      `JSON cannot say ${problem} (at ${key} of the arguments): give a payload with another encoding`,
    );
  });
  return new TextEncoder().encode(text);
}

/** What JSON has no word for; undefined when all is well. `holder` still has the value before its `toJSON`. */
function unsayable(holder: unknown, key: string, value: unknown): string | undefined {
  const original: unknown =
    typeof holder === "object" && holder !== null ? Reflect.get(holder, key) : value;
  if (ArrayBuffer.isView(original) || original instanceof ArrayBuffer) return "bytes";
  if (original instanceof Map || original instanceof Set) return "a Map or Set";
  switch (typeof value) {
    case "number":
      return Number.isFinite(value) ? undefined : `${value}`;
    case "undefined":
      // Members of objects that are undefined are left out, as everywhere in JavaScript.
      return Array.isArray(holder) ? "undefined" : undefined;
    case "bigint":
      return "a bigint";
    case "function":
    case "symbol":
      return `a ${typeof value}`;
    case "string":
    case "boolean":
    case "object":
      return undefined;
  }
}
