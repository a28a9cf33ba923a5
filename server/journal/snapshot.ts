import { changeBytes, decodeChanges, encodeChanges } from "./changes.js";
import { decodeFileHeader, encodeFileHeader, FILE_HEADER_BYTES, newSalt } from "./file-header.js";
import { snapshotName, unfinishedName } from "./file-names.js";
import { type Damage, unsupported } from "./read-log.js";
import { readRecords } from "./read-records.js";
import { encodeRecord, RECORD_HEAD_BYTES, type LogRecord } from "./record.js";
import { type SegmentStorage } from "./segment-storage.js";

const ENTRY_RECORD = 1;
const END_RECORD = 2;
const SLICE_BYTES = 256 * 1024;

/** A keyed state at one moment. */
export interface KeyedState {
  readonly entries: ReadonlyMap<string, Uint8Array>;
  readonly suspect: ReadonlySet<string>;
}

export function entryBytes(key: string, value: Uint8Array): number {
  return RECORD_HEAD_BYTES + changeBytes(key, value.byteLength);
}

/**
 * Writes the state as the snapshot that stands for every segment before `sequence`, in slices,
 * so that other work goes on between them. When it resolves the snapshot is durable under its
 * final name; when it rejects it may be there without being durable. Returns its size.
 */
export async function writeSnapshot(
  storage: SegmentStorage,
  sequence: number,
  state: KeyedState,
  signal: AbortSignal,
): Promise<number> {
  const name = snapshotName(sequence);
  const draft = unfinishedName(name);
  try {
    const sizeBytes = await writeDraft(storage, draft, sequence, state, signal);
    await storage.rename(draft, name);
    await storage.syncDirectory();
    return sizeBytes;
  } catch (error) {
    await storage.remove(draft).catch(() => undefined);
    throw error;
  }
}

async function writeDraft(
  storage: SegmentStorage,
  draft: string,
  sequence: number,
  state: KeyedState,
  signal: AbortSignal,
): Promise<number> {
  const salt = newSalt();
  const file = await storage.create(draft);
  try {
    const header = { kind: "snapshot", sequence, follows: 0, previousEnd: 0, salt } as const;
    await file.write(encodeFileHeader(header), 0);
    let position = FILE_HEADER_BYTES;
    let slice: LogRecord[] = [];
    let sliceBytes = 0;
    const writeSlice = async (): Promise<void> => {
      signal.throwIfAborted();
      const bytes = Buffer.allocUnsafe(sliceBytes);
      let at = 0;
      for (const record of slice) at = encodeRecord(record, bytes, at, position + at, salt);
      await file.write(bytes, position);
      position += at;
      slice = [];
      sliceBytes = 0;
    };
    const add = async (record: LogRecord): Promise<void> => {
      slice.push(record);
      sliceBytes += RECORD_HEAD_BYTES + record.payload.byteLength;
      if (sliceBytes >= SLICE_BYTES) await writeSlice();
    };
    for (const [key, value] of state.entries) {
      const suspect = state.suspect.has(key);
      const payload = encodeChanges([{ kind: "put", key, value, suspect }]);
      await add({ type: ENTRY_RECORD, payload });
    }
    const count = Buffer.alloc(6);
    count.writeUIntLE(state.entries.size, 0, 6);
    await add({ type: END_RECORD, payload: count });
    if (slice.length > 0) await writeSlice();
    await file.sync();
    return position;
  } finally {
    await file.close();
  }
}

export interface ReadSnapshot {
  readonly entries: Map<string, Uint8Array>;
  readonly suspect: Set<string>;
  readonly sizeBytes: number;
  /** Keys in a lost stretch are missing from `entries`; the others are right. */
  readonly damages: readonly Damage[];
}

/** Reads what can be read. Throws if the file has a newer format. */
export async function readSnapshot(
  storage: SegmentStorage,
  sequence: number,
): Promise<ReadSnapshot> {
  const name = snapshotName(sequence);
  const bytes = await storage.read(name);
  const entries = new Map<string, Uint8Array>();
  const suspect = new Set<string>();
  const damages: Damage[] = [];
  const damage = (offset: number, lost: number | undefined, reason: string): void => {
    damages.push({ file: name, offset, bytes: lost, reason });
  };
  const result = { entries, suspect, sizeBytes: bytes.length, damages };
  const read = decodeFileHeader(bytes);
  if (read.kind === "unsupported") throw unsupported(name, read.version);
  if (
    read.kind === "unreadable" ||
    read.header.kind !== "snapshot" ||
    read.header.sequence !== sequence
  ) {
    damage(0, undefined, "the header is damaged");
    return result;
  }
  if (read.damagedCopy) damage(0, 0, "one of the two headers is damaged");
  const counts: number[] = [];
  const end = readRecords(bytes, bytes.length, read.header.salt, {
    record: ({ type, payload }, offset) => {
      if (type === END_RECORD) {
        counts.push(Buffer.from(payload).readUIntLE(0, 6));
        return;
      }
      const changes = type === ENTRY_RECORD ? decodeChanges(payload) : undefined;
      if (changes === undefined)
        damage(offset, RECORD_HEAD_BYTES + payload.length, "a record is malformed");
      for (const change of changes ?? []) {
        if (change.kind !== "put") continue;
        entries.set(change.key, change.value);
        if (change.suspect) suspect.add(change.key);
      }
    },
    lost: (stretch) => {
      damage(stretch.offset, stretch.bytes, "the checksum does not match");
    },
  });
  // How much stood behind a lost end is not known.
  if (counts.length === 0 || end < bytes.length) {
    damage(end, undefined, "the end of the file is damaged");
  } else if (damages.length === 0 && counts[0] !== entries.size) {
    damage(end, undefined, "entries are missing");
  }
  return result;
}
