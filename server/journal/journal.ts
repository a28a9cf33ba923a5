import { deferred, type Deferred } from "../core/deferred.js";
import { DomainError } from "../core/errors.js";
import { type Headroom } from "./headroom.js";
import { isDiskFull } from "./journal-errors.js";
import { type JournalLog } from "./journal-log.js";
import { type LogTail, sizeOnDisk } from "./log-tail.js";
import { MAX_PAYLOAD_BYTES, type LogRecord } from "./record.js";

/** Written when a log is closed in order, so that damage to its last data cannot pass for a torn tail. */
export const CLOSE_RECORD = 255;

const GROUP_BYTES = 4 * 1024 * 1024;
const PENDING_BYTES = 128 * 1024 * 1024;

export interface AppendOptions {
  /** Wait for fdatasync too: the record then survives power loss, not only our death. */
  readonly durable?: boolean;
  /** May use the space reserve on a full disk: for records that lead to space being freed. */
  readonly urgent?: boolean;
  /** Called in log order as soon as the record is written, before any promise is resolved. */
  readonly onKept?: () => void;
}

interface PendingRecord extends LogRecord {
  readonly kind: "record";
  readonly sizeBytes: number;
  readonly options: AppendOptions;
  readonly done: Deferred<void>;
  failure: Error | undefined;
}

type Pending =
  | PendingRecord
  | { readonly kind: "barrier"; readonly durable: boolean; readonly done: Deferred<void> }
  | {
      readonly kind: "cut";
      readonly onCut: (sequence: number) => void;
      readonly done: Deferred<void>;
    };

/**
 * An append-only log with group commit: what is appended while a write is under way goes out
 * together as the next write, and shares one sync.
 *
 * Promises settle in the order of the calls, so one that wants durability holds back those
 * behind it for the length of a sync. Each record is all or nothing. A rejected record is not
 * in the log, with one exception: if cutting the file back failed too and the process dies
 * before anything else is written, a restart may find it.
 */
export class Journal {
  readonly #tail: LogTail;
  readonly #headroom: Headroom;
  readonly #segmentBytes: number;
  readonly #log: JournalLog;
  #pending: Pending[] = [];
  #pendingBytes = 0;
  #writing: Promise<void> | undefined;
  #closed = false;

  constructor(tail: LogTail, headroom: Headroom, log: JournalLog, segmentBytes: number) {
    this.#tail = tail;
    this.#headroom = headroom;
    this.#log = log;
    this.#segmentBytes = segmentBytes;
  }

  /** `payload` must not change until the promise settles. Types are 1 to 254. */
  append(type: number, payload: Uint8Array, options: AppendOptions = {}): Promise<void> {
    const refused = this.#refuse(payload.byteLength);
    if (refused !== undefined) return Promise.reject(refused);
    return this.#appendRecord(type, payload, options);
  }

  /** Resolves when everything appended before is written. Rejected appends do not reject it. */
  flush(): Promise<void> {
    return this.#enqueue({ kind: "barrier", durable: false, done: deferred() });
  }

  /** Resolves when the whole log is durable; rejects with NotDurableError if it is not. */
  sync(): Promise<void> {
    return this.#enqueue({ kind: "barrier", durable: true, done: deferred() });
  }

  /**
   * Begins a new segment behind everything appended so far. `onCut` gets its number at the very
   * moment between the last record before it and the first one in it.
   */
  cut(onCut: (sequence: number) => void): Promise<void> {
    return this.#enqueue({ kind: "cut", onCut, done: deferred() });
  }

  /** Writes and syncs what was appended, then refuses more. Rejects if the log is not durable. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.flush();
    if (this.#tail.filled > 0) {
      // Without it a restart only knows less about where damage may be.
      await this.#appendRecord(CLOSE_RECORD, new Uint8Array(0), { urgent: true }).catch(
        (error: unknown) => {
          this.#log.warn("journal closed without its last record", { error });
        },
      );
    }
    const synced = this.sync();
    await Promise.allSettled([synced, this.cut(() => undefined)]);
    await synced;
  }

  #refuse(payloadBytes: number): Error | undefined {
    if (this.#closed) return new Error("The journal is closed");
    if (payloadBytes > MAX_PAYLOAD_BYTES) {
      return new RangeError(
        `A journal record holds at most ${MAX_PAYLOAD_BYTES} bytes, got ${payloadBytes}`,
      );
    }
    if (this.#pendingBytes + payloadBytes > PENDING_BYTES) {
      return new DomainError(
        "host-exhausted",
        `The disk is too slow: ${this.#pendingBytes} bytes wait to be written to the journal`,
        { retryAfterMs: 100 },
      );
    }
    return undefined;
  }

  #appendRecord(type: number, payload: Uint8Array, options: AppendOptions): Promise<void> {
    const sizeBytes = sizeOnDisk(payload.byteLength);
    this.#pendingBytes += sizeBytes;
    return this.#enqueue({
      kind: "record",
      type,
      payload,
      sizeBytes,
      options,
      done: deferred(),
      failure: undefined,
    });
  }

  #enqueue(entry: Pending): Promise<void> {
    this.#pending.push(entry);
    this.#writing ??= this.#drain();
    return entry.done.promise;
  }

  async #drain(): Promise<void> {
    // Callers of this very turn of the event loop share the first write.
    await Promise.resolve();
    while (this.#pending.length > 0) {
      const group = this.#takeGroup();
      await this.#commit(group);
    }
    this.#writing = undefined;
  }

  #takeGroup(): readonly Pending[] {
    let bytes = 0;
    let count = 0;
    for (const entry of this.#pending) {
      const size = entry.kind === "record" ? entry.sizeBytes : 0;
      const full = bytes > 0 && bytes + size > Math.min(GROUP_BYTES, this.#segmentBytes);
      if (full || (entry.kind === "cut" && count > 0)) break;
      bytes += size;
      count += 1;
      if (entry.kind === "cut") break;
    }
    this.#pendingBytes -= bytes;
    return this.#pending.splice(0, count);
  }

  /** Never rejects: every failure goes to the promise it belongs to. */
  async #commit(group: readonly Pending[]): Promise<void> {
    const records = group.filter((entry) => entry.kind === "record");
    const durable = group.some((entry) => entry.kind === "record" && entry.options.durable);
    if (records.length > 0) {
      const bytes = total(records);
      const rotate = this.#tail.filled > 0 && this.#tail.filled + bytes > this.#segmentBytes;
      if (rotate || (durable && this.#tail.cannotSync)) await this.#tail.seal();
      await this.#writeRecords(records);
    }
    for (const entry of group) await this.#settle(entry);
  }

  async #settle(entry: Pending): Promise<void> {
    switch (entry.kind) {
      case "record": {
        const wantsSync = entry.failure === undefined && entry.options.durable === true;
        // Only the first of the group really syncs.
        finish(entry.done, wantsSync ? await this.#tail.sync() : entry.failure);
        break;
      }
      case "barrier":
        finish(entry.done, entry.durable ? await this.#tail.syncAll() : undefined);
        break;
      case "cut":
        await this.#tail.seal();
        entry.onCut(this.#tail.sequence);
        finish(entry.done, undefined);
        break;
    }
  }

  async #writeRecords(records: readonly PendingRecord[]): Promise<void> {
    const failure = await this.#tryWrite(records);
    if (failure === undefined) {
      await this.#headroom.noteWritten(total(records));
      return;
    }
    if (!isDiskFull(failure)) {
      for (const record of records) record.failure = failure;
      return;
    }
    // Some may still fit one by one. What is no smaller than a failure is not tried.
    let tooLarge = Infinity;
    for (const record of records) {
      const urgent = record.options.urgent === true;
      record.failure = failure;
      if (!urgent && record.sizeBytes >= tooLarge) continue;
      record.failure = await this.#tryWrite([record]);
      if (record.failure !== undefined && urgent) {
        // Tried again also when there was no reserve to release: a compaction may have been first.
        await this.#headroom.release();
        record.failure = await this.#tryWrite([record]);
      }
      if (record.failure !== undefined) tooLarge = Math.min(tooLarge, record.sizeBytes);
    }
  }

  async #tryWrite(records: readonly PendingRecord[]): Promise<Error | undefined> {
    const failure = await this.#tail.write(records, total(records));
    if (failure === undefined) for (const record of records) record.options.onKept?.();
    return failure;
  }
}

function total(records: readonly PendingRecord[]): number {
  return records.reduce((sum, record) => sum + record.sizeBytes, 0);
}

function finish(done: Deferred<void>, failure: Error | undefined): void {
  if (failure === undefined) done.resolve();
  else done.reject(failure);
}
