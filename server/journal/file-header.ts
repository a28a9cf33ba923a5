import { randomInt } from "node:crypto";
import { crc32 } from "node:zlib";

export const FORMAT_VERSION = 1;
const COPY_BYTES = 64;
/** Every file starts with two equal copies of its header, so that one flipped bit cannot cost the file. */
export const FILE_HEADER_BYTES = 2 * COPY_BYTES;

const MAGIC = Buffer.from("FKBJ", "latin1");
const KINDS = { segment: 1, snapshot: 2 } as const;

export interface FileHeader {
  readonly kind: keyof typeof KINDS;
  /** Of a segment: its place in the log. Of a snapshot: the first segment that it does not contain. */
  readonly sequence: number;
  /** The snapshot in force when the file was begun; 0 is none. */
  readonly follows: number;
  /** Where the log ended in the segment before: what stands there after it was never acknowledged. */
  readonly previousEnd: number;
  /** Where the file's checksums start. */
  readonly salt: number;
}

export type ReadHeader =
  | { readonly kind: "header"; readonly header: FileHeader; readonly damagedCopy: boolean }
  | { readonly kind: "unsupported"; readonly version: number }
  | { readonly kind: "unreadable" };

export function newSalt(): number {
  return randomInt(1, 2 ** 32);
}

export function encodeFileHeader(header: FileHeader): Buffer {
  const bytes = Buffer.alloc(FILE_HEADER_BYTES);
  MAGIC.copy(bytes, 0);
  bytes.writeUInt16LE(FORMAT_VERSION, 4);
  bytes.writeUInt16LE(KINDS[header.kind], 6);
  bytes.writeUIntLE(header.sequence, 8, 6);
  bytes.writeUIntLE(header.follows, 16, 6);
  bytes.writeUIntLE(header.previousEnd, 24, 6);
  bytes.writeUInt32LE(header.salt, 32);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, COPY_BYTES - 4)), COPY_BYTES - 4);
  bytes.copy(bytes, COPY_BYTES, 0, COPY_BYTES);
  return bytes;
}

/** Reads the header from whichever copy is whole; `damagedCopy` says that only one was. */
export function decodeFileHeader(bytes: Buffer): ReadHeader {
  const copies = [decodeCopy(bytes, 0), decodeCopy(bytes, COPY_BYTES)];
  const whole = copies.find((copy) => copy.kind !== "unreadable");
  if (whole === undefined) return { kind: "unreadable" };
  if (whole.kind !== "header") return whole;
  return { ...whole, damagedCopy: copies.some((copy) => copy.kind === "unreadable") };
}

function decodeCopy(bytes: Buffer, at: number): ReadHeader {
  if (bytes.length < at + COPY_BYTES) return { kind: "unreadable" };
  const copy = bytes.subarray(at, at + COPY_BYTES);
  const intact = crc32(copy.subarray(0, COPY_BYTES - 4)) === copy.readUInt32LE(COPY_BYTES - 4);
  if (!intact || !copy.subarray(0, 4).equals(MAGIC)) return { kind: "unreadable" };
  const version = copy.readUInt16LE(4);
  if (version !== FORMAT_VERSION) return { kind: "unsupported", version };
  const code = copy.readUInt16LE(6);
  const kind =
    code === KINDS.segment ? "segment" : code === KINDS.snapshot ? "snapshot" : undefined;
  if (kind === undefined) return { kind: "unreadable" };
  const header: FileHeader = {
    kind,
    sequence: copy.readUIntLE(8, 6),
    follows: copy.readUIntLE(16, 6),
    previousEnd: copy.readUIntLE(24, 6),
    salt: copy.readUInt32LE(32),
  };
  return { kind: "header", header, damagedCopy: false };
}
