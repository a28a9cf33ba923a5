import { decodeFileHeader, FILE_HEADER_BYTES, type FileHeader } from "./file-header.js";
import { parseFileName, segmentName, snapshotName } from "./file-names.js";
import { CLOSE_RECORD } from "./journal.js";
import { type LogPosition, sizeOnDisk } from "./log-tail.js";
import { readRecords } from "./read-records.js";
import { type LogRecord } from "./record.js";
import { type SegmentStorage } from "./segment-storage.js";

/** Acknowledged bytes that could not be read back. */
export interface Damage {
  readonly file: string;
  readonly offset: number;
  /** How many bytes are lost; undefined if the file is missing or its end unknown. */
  readonly bytes: number | undefined;
  readonly reason: string;
}

export interface LogVisitor {
  /** Returns false if the payload makes no sense, which counts as damage. */
  record(record: LogRecord): boolean;
  /** Called in log order, between the records around the damage. */
  damage(damage: Damage): void;
}

export interface LogContents {
  readonly position: LogPosition;
  /** The torn tail of the last segment: bytes whose write never finished. */
  readonly tornBytes: number;
  /** The last segment and where it ends: to be cut and synced, or removed if that is 0, before the log goes on. */
  readonly last: { readonly name: string; readonly end: number } | undefined;
}

interface Segment {
  readonly sequence: number;
  readonly name: string;
  readonly bytes: Buffer;
  readonly header: FileHeader | undefined;
  readonly damagedCopy: boolean;
}

/**
 * Reads the segments from number `first` on, in order, one in memory at a time (two headers at
 * most are looked at). Throws if a file was written by a newer version of the format.
 *
 * A torn tail is what follows the last whole record of the last segment. Everything else that
 * cannot be read, segments that are missing included, is damage.
 */
export async function readLog(
  storage: SegmentStorage,
  snapshot: number,
  visitor: LogVisitor,
): Promise<LogContents> {
  const first = Math.max(snapshot, 1);
  const sequences = await segmentsFrom(storage, first);
  const sealed = new Map<number, number>();
  let expected = first;
  let tornBytes = 0;
  let last: LogContents["last"];
  let previousEnd = 0;
  let current = await load(storage, sequences[0]);
  for (let index = 0; current !== undefined; index += 1) {
    const next = await load(storage, sequences[index + 1]);
    const { sequence, name, header } = current;
    if (sequence !== expected) visitor.damage(missing(expected, snapshot, header));
    expected = sequence + 1;
    const successor = next?.sequence === sequence + 1 ? next.header : undefined;
    const read = readSegment(current, next === undefined, successor, visitor);
    tornBytes += read.tornBytes;
    if (next === undefined && read.empty) {
      // Nothing was ever kept in it: its number is taken again.
      expected = sequence;
      last = { name, end: 0 };
    } else {
      sealed.set(sequence, current.bytes.length);
      last = next === undefined ? { name, end: read.end } : undefined;
      previousEnd = read.end;
    }
    current = next;
  }
  const position = { nextSequence: expected, previousEnd, follows: snapshot, sealed };
  return { position, tornBytes, last };
}

async function segmentsFrom(storage: SegmentStorage, first: number): Promise<readonly number[]> {
  const sequences: number[] = [];
  for (const name of await storage.list()) {
    const parsed = parseFileName(name);
    if (parsed.kind === "segment" && parsed.sequence >= first) sequences.push(parsed.sequence);
  }
  return sequences.sort((a, b) => a - b);
}

async function load(
  storage: SegmentStorage,
  sequence: number | undefined,
): Promise<Segment | undefined> {
  if (sequence === undefined) return undefined;
  const name = segmentName(sequence);
  const bytes = await storage.read(name);
  const read = decodeFileHeader(bytes);
  if (read.kind === "unsupported") throw unsupported(name, read.version);
  const fits =
    read.kind === "header" && read.header.kind === "segment" && read.header.sequence === sequence;
  const damagedCopy = read.kind === "header" && read.damagedCopy;
  return { sequence, name, bytes, header: fits ? read.header : undefined, damagedCopy };
}

export function unsupported(name: string, version: number): Error {
  return new Error(`The journal's ${name} has format ${version}, which this version cannot read`);
}

function missing(sequence: number, snapshot: number, next: FileHeader | undefined): Damage {
  const follows = next?.follows ?? 0;
  const file = follows > snapshot ? snapshotName(follows) : segmentName(sequence);
  return { file, offset: 0, bytes: undefined, reason: "the file is missing" };
}

interface ReadSegment {
  readonly end: number;
  readonly tornBytes: number;
  /** True if it holds neither records nor damage. */
  readonly empty: boolean;
}

function readSegment(
  segment: Segment,
  isLast: boolean,
  successor: FileHeader | undefined,
  visitor: LogVisitor,
): ReadSegment {
  const { name, bytes, header } = segment;
  let empty = true;
  const damage = (offset: number, lost: number | undefined, reason: string): void => {
    empty = false;
    visitor.damage({ file: name, offset, bytes: lost, reason });
  };
  if (bytes.length < FILE_HEADER_BYTES && isLast) {
    return { end: 0, tornBytes: bytes.length, empty };
  }
  if (header === undefined) {
    damage(0, undefined, "the header is damaged");
    return { end: bytes.length, tornBytes: 0, empty };
  }
  // A successor knows better than the file where the log went on: a write that failed may
  // have left bytes behind, and bytes may have vanished.
  const limit = successor?.previousEnd ?? bytes.length;
  const end = readRecords(bytes, Math.min(limit, bytes.length), header.salt, {
    record: (record, offset) => {
      if (record.type === CLOSE_RECORD) return;
      empty = false;
      if (!visitor.record(record))
        damage(offset, sizeOnDisk(record.payload.length), "a record is malformed");
    },
    lost: (stretch) => {
      damage(stretch.offset, stretch.bytes, "the checksum does not match");
    },
  });
  if (!isLast && end < limit) damage(end, limit - end, "the end of the file is damaged");
  if (segment.damagedCopy && bytes.length >= FILE_HEADER_BYTES) {
    damage(0, 0, "one of the two headers is damaged");
  }
  return { end, tornBytes: isLast ? bytes.length - end : 0, empty };
}
