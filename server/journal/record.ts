import { crc32 } from "node:zlib";

/**
 * One record of a segment or snapshot:
 *
 *     0  u32  length of the payload, little-endian as everything here
 *     4  u32  crc32 of the payload, continued from the head's crc32
 *     8  u8   type, never 0, so that a hole of zeros is no record
 *     9  u24  low bits of the head's crc32
 *    12       payload
 *
 * The head's crc32 covers length, type and the record's own offset and starts from the file's
 * random salt. So a record is one only where it was written: neither bytes that a user stored
 * nor blocks of a deleted file can pass for a record when damage makes the reader search.
 */
export const RECORD_HEAD_BYTES = 12;
export const MAX_PAYLOAD_BYTES = 64 * 1024 * 1024;

export interface LogRecord {
  /** 1 to 255. */
  readonly type: number;
  readonly payload: Uint8Array;
}

/** `damaged` has a trustworthy length, so its end is known; `unreadable` has not even that. */
export type Decoded =
  | { readonly kind: "record"; readonly record: LogRecord; readonly end: number }
  | { readonly kind: "damaged"; readonly end: number }
  | { readonly kind: "unreadable" };

const headInput = Buffer.alloc(11);

function headCrc(length: number, type: number, offset: number, salt: number): number {
  headInput.writeUInt32LE(length, 0);
  headInput.writeUInt8(type, 4);
  headInput.writeUIntLE(offset, 5, 6);
  return crc32(headInput, salt);
}

/** Writes the record to `target` at `at`; `offset` is where it will stand in the file. Returns the next `at`. */
export function encodeRecord(
  record: LogRecord,
  target: Buffer,
  at: number,
  offset: number,
  salt: number,
): number {
  const { type, payload } = record;
  const head = headCrc(payload.byteLength, type, offset, salt);
  target.writeUInt32LE(payload.byteLength, at);
  target.writeUInt32LE(crc32(payload, head), at + 4);
  target.writeUInt8(type, at + 8);
  target.writeUIntLE(head & 0xffffff, at + 9, 3);
  target.set(payload, at + RECORD_HEAD_BYTES);
  return at + RECORD_HEAD_BYTES + payload.byteLength;
}

/** Reads the record that starts at `offset`; bytes from `limit` on do not exist. The payload is a view. */
export function decodeRecord(bytes: Buffer, offset: number, limit: number, salt: number): Decoded {
  if (offset + RECORD_HEAD_BYTES > limit) return { kind: "unreadable" };
  const type = bytes.readUInt8(offset + 8);
  const length = bytes.readUInt32LE(offset);
  if (type === 0 || length > MAX_PAYLOAD_BYTES) return { kind: "unreadable" };
  const head = headCrc(length, type, offset, salt);
  if (bytes.readUIntLE(offset + 9, 3) !== (head & 0xffffff)) return { kind: "unreadable" };
  const start = offset + RECORD_HEAD_BYTES;
  const end = start + length;
  if (end > limit) return { kind: "damaged", end: limit };
  const payload = bytes.subarray(start, end);
  if (crc32(payload, head) !== bytes.readUInt32LE(offset + 4)) return { kind: "damaged", end };
  return { kind: "record", record: { type, payload }, end };
}

/** The first offset at or after `from` where a whole record stands. */
export function findRecord(
  bytes: Buffer,
  from: number,
  limit: number,
  salt: number,
): number | undefined {
  for (let offset = from; offset + RECORD_HEAD_BYTES <= limit; offset += 1) {
    // Most bytes are no record: look at the length before paying for a checksum.
    if (bytes.readUInt32LE(offset) > limit - offset - RECORD_HEAD_BYTES) continue;
    if (decodeRecord(bytes, offset, limit, salt).kind === "record") return offset;
  }
  return undefined;
}
