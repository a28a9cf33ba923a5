import { encodeFileHeader, FILE_HEADER_BYTES, newSalt } from "./file-header.js";
import { segmentName } from "./file-names.js";
import { NotDurableError, writeFailure } from "./journal-errors.js";
import { type JournalLog } from "./journal-log.js";
import { encodeRecord, RECORD_HEAD_BYTES, type LogRecord } from "./record.js";
import { type SegmentFile, type SegmentStorage } from "./segment-storage.js";

interface ActiveSegment {
  readonly file: SegmentFile;
  readonly salt: number;
  end: number;
  unsynced: boolean;
}

/** Where a log goes on: after its last segment, or at its beginning. */
export interface LogPosition {
  /** The number of the next segment to be made. */
  readonly nextSequence: number;
  readonly previousEnd: number;
  /** The snapshot in force, 0 for none. */
  readonly follows: number;
  /** Sizes of the segments before, by number. */
  readonly sealed: ReadonlyMap<number, number>;
}

/**
 * The end of the log, where records are added. One call at a time.
 *
 * A segment is made when its first record comes, and synced before its successor is made, so
 * that only the last segment can ever have a torn tail. After a failed write the file is cut
 * back to its last whole record; if even that fails the segment is left as it is, and the
 * header of the next one says where it really ended.
 */
export class LogTail {
  readonly #storage: SegmentStorage;
  readonly #log: JournalLog;
  readonly #sealed: Map<number, number>;
  readonly #notDurable = new Map<number, unknown>();
  #active: ActiveSegment | undefined;
  #sequence: number;
  #previousEnd: number;
  #follows: number;
  #sealedBytes = 0;
  #directorySynced = false;

  constructor(storage: SegmentStorage, log: JournalLog, position: LogPosition) {
    this.#storage = storage;
    this.#log = log;
    this.#sequence = position.nextSequence;
    this.#previousEnd = position.previousEnd;
    this.#follows = position.follows;
    this.#sealed = new Map(position.sealed);
    for (const size of this.#sealed.values()) this.#sealedBytes += size;
  }

  /** The segment that the next record goes to. */
  get sequence(): number {
    return this.#sequence;
  }

  get segmentCount(): number {
    return this.#sealed.size + (this.#active === undefined ? 0 : 1);
  }

  get totalBytes(): number {
    return this.#sealedBytes + (this.#active?.end ?? 0);
  }

  /** How many bytes stand in the segment that is being written; its header alone counts as none. */
  get filled(): number {
    const end = this.#active?.end ?? FILE_HEADER_BYTES;
    return end === FILE_HEADER_BYTES ? 0 : end;
  }

  /** True once a sync has failed for data that the log still rests on. */
  get damagedDurability(): boolean {
    return this.#notDurable.size > 0;
  }

  /** True if the segment being written can no longer make durable promises. */
  get cannotSync(): boolean {
    return this.#notDurable.has(this.#sequence);
  }

  /** Writes all records or none; returns why not. */
  async write(records: readonly LogRecord[], sizeBytes: number): Promise<Error | undefined> {
    let segment: ActiveSegment;
    try {
      segment = this.#active ??= await this.#start();
    } catch (error) {
      return writeFailure(error, segmentName(this.#sequence));
    }
    const bytes = Buffer.allocUnsafe(sizeBytes);
    let at = 0;
    for (const record of records) {
      at = encodeRecord(record, bytes, at, segment.end + at, segment.salt);
    }
    try {
      await segment.file.write(bytes, segment.end);
    } catch (error) {
      const failure = writeFailure(error, segmentName(this.#sequence));
      await this.#undo(segment);
      return failure;
    }
    segment.end += at;
    segment.unsynced = true;
    return undefined;
  }

  /** Makes everything in the segment being written durable, or says why it cannot be. */
  async sync(): Promise<NotDurableError | undefined> {
    // Without an open segment only the names of the earlier files can be at stake.
    const sequence = this.#active === undefined ? this.#sequence - 1 : this.#sequence;
    const name = segmentName(sequence);
    if (!this.#notDurable.has(sequence)) {
      try {
        if (this.#active?.unsynced === true) {
          await this.#active.file.sync();
          this.#active.unsynced = false;
        }
        if (!this.#directorySynced) {
          await this.#storage.syncDirectory();
          this.#directorySynced = true;
        }
        return undefined;
      } catch (error) {
        this.#notDurable.set(sequence, error);
        this.#log.warn("journal segment failed to sync", { file: name, error });
      }
    }
    const cause = this.#notDurable.get(sequence);
    return new NotDurableError(`The disk refused to sync the journal's ${name}`, { cause });
  }

  /** As `sync`, for the whole log. Fails until a snapshot has replaced every segment that failed to sync. */
  async syncAll(): Promise<NotDurableError | undefined> {
    const failure = await this.sync();
    if (failure !== undefined) return failure;
    for (const [sequence, cause] of this.#notDurable) {
      const name = segmentName(sequence);
      return new NotDurableError(`The disk refused to sync the journal's ${name}`, { cause });
    }
    return undefined;
  }

  /** Ends the segment being written, if any. Never rejects: what cannot be synced is remembered. */
  async seal(): Promise<void> {
    if (this.#active === undefined) return;
    await this.sync();
    await this.#leave(this.#active);
  }

  /** Forgets the segments before `sequence`: a snapshot has taken their place. */
  dropBefore(sequence: number): void {
    this.#follows = sequence;
    for (const [sealed, size] of this.#sealed) {
      if (sealed >= sequence) continue;
      this.#sealed.delete(sealed);
      this.#sealedBytes -= size;
    }
    for (const failed of this.#notDurable.keys()) {
      if (failed < sequence) this.#notDurable.delete(failed);
    }
  }

  async #start(): Promise<ActiveSegment> {
    const name = segmentName(this.#sequence);
    const salt = newSalt();
    // Nothing of a half-made segment counts, so a failed start is simply begun again.
    this.#directorySynced = false;
    const file = await this.#storage.create(name);
    try {
      const header = encodeFileHeader({
        kind: "segment",
        sequence: this.#sequence,
        follows: this.#follows,
        previousEnd: this.#previousEnd,
        salt,
      });
      await file.write(header, 0);
    } catch (error) {
      await this.#close(file);
      throw error;
    }
    return { file, salt, end: FILE_HEADER_BYTES, unsynced: true };
  }

  async #undo(segment: ActiveSegment): Promise<void> {
    try {
      await segment.file.truncate(segment.end);
    } catch (error) {
      const name = segmentName(this.#sequence);
      this.#log.warn("journal segment closed early after a failed write", { file: name, error });
      await this.sync();
      await this.#leave(segment);
    }
  }

  async #leave(segment: ActiveSegment): Promise<void> {
    await this.#close(segment.file);
    this.#sealed.set(this.#sequence, segment.end);
    this.#sealedBytes += segment.end;
    this.#previousEnd = segment.end;
    this.#active = undefined;
    this.#sequence += 1;
  }

  async #close(file: SegmentFile): Promise<void> {
    try {
      await file.close();
    } catch (error) {
      const name = segmentName(this.#sequence);
      this.#log.warn("journal segment failed to close", { file: name, error });
    }
  }
}

export function sizeOnDisk(payloadBytes: number): number {
  return RECORD_HEAD_BYTES + payloadBytes;
}
