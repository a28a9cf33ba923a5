import { exactJson } from "../../wire/exact-json.js";
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

/** Arguments as JSON, exactly: a TypeError says what JSON has no word for, and where it is. */
export function encodeValues(
  values: readonly unknown[] | Readonly<Record<string, unknown>>,
): Uint8Array {
  return new TextEncoder().encode(exactJson(values, ARGUMENTS));
}

const ARGUMENTS = { whole: "the arguments", advice: "give a payload with another encoding" };
