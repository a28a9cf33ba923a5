import { invalidField } from "../core/errors.js";

/** What a batch does to one key. */
export type Change =
  | { readonly kind: "put"; readonly key: string; readonly value: Uint8Array }
  | { readonly kind: "delete"; readonly key: string };

/** A change as stored. A suspect put comes from a snapshot made after damage: its value may be out of date. */
export type StoredChange = Change & { readonly suspect: boolean };

export const MAX_KEY_BYTES = 1024;
const CODE = { put: 1, delete: 2, suspectPut: 3 } as const;
const CHANGE_HEAD_BYTES = 7;

/** How many bytes a change takes inside a record. */
export function changeBytes(key: string, valueBytes: number): number {
  return CHANGE_HEAD_BYTES + Buffer.byteLength(key) + valueBytes;
}

/**
 * The changes as the payload of one record; values are copied. Throws `invalid-field` for a key
 * that is empty, over MAX_KEY_BYTES or not well-formed Unicode (it would come back changed).
 */
export function encodeChanges(
  changes: readonly (Change & { readonly suspect?: boolean })[],
): Buffer {
  const size = changes.reduce(
    (sum, change) => sum + changeBytes(change.key, change.kind === "put" ? change.value.length : 0),
    0,
  );
  const bytes = Buffer.allocUnsafeSlow(size);
  let at = 0;
  for (const change of changes) {
    const { key } = change;
    const keyBytes = Buffer.byteLength(key);
    if (keyBytes === 0 || keyBytes > MAX_KEY_BYTES) {
      throw invalidField("key", key, `A key has 1 to ${MAX_KEY_BYTES} bytes, got ${keyBytes}`);
    }
    const value = change.kind === "put" ? change.value : new Uint8Array(0);
    const put = change.suspect === true ? CODE.suspectPut : CODE.put;
    at = bytes.writeUInt8(change.kind === "put" ? put : CODE.delete, at);
    at = bytes.writeUInt16LE(keyBytes, at);
    at = bytes.writeUInt32LE(value.byteLength, at);
    bytes.write(key, at, "utf8");
    if (keyBytes !== key.length && bytes.toString("utf8", at, at + keyBytes) !== key) {
      throw invalidField("key", key, `A key is well-formed Unicode, got ${JSON.stringify(key)}`);
    }
    at += keyBytes;
    bytes.set(value, at);
    at += value.byteLength;
  }
  return bytes;
}

/** The changes of a payload, each value a copy; undefined if these bytes are not such a payload. */
export function decodeChanges(payload: Uint8Array): readonly StoredChange[] | undefined {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const changes: StoredChange[] = [];
  for (let at = 0; at < bytes.length;) {
    if (at + CHANGE_HEAD_BYTES > bytes.length) return undefined;
    const code = bytes.readUInt8(at);
    const keyStart = at + CHANGE_HEAD_BYTES;
    const valueStart = keyStart + bytes.readUInt16LE(at + 1);
    const end = valueStart + bytes.readUInt32LE(at + 3);
    if (end > bytes.length) return undefined;
    const key = bytes.toString("utf8", keyStart, valueStart);
    if (code === CODE.delete) {
      changes.push({ kind: "delete", key, suspect: false });
    } else if (code === CODE.put || code === CODE.suspectPut) {
      const value = new Uint8Array(bytes.subarray(valueStart, end));
      changes.push({ kind: "put", key, value, suspect: code === CODE.suspectPut });
    } else {
      return undefined;
    }
    at = end;
  }
  return changes;
}
