import { isUtf8 } from "node:buffer";
import { type JsonValue } from "./json.js";

/** Bytes as a member of a JSON object: `text` when they are UTF-8, else `base64`. */
export function bytesJson(bytes: Uint8Array): { readonly [name: string]: JsonValue } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return isUtf8(buffer) ? { text: buffer.toString("utf8") } : { base64: buffer.toString("base64") };
}
