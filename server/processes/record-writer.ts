import { type Clock } from "../core/clock.js";
import { type ProcessUid } from "../core/ids.js";
import { type Counters, type ProcessRecord } from "./process-record.js";
import { type RecordStore } from "./record-store.js";

const RETRY_MS = 500;

/** What the writer needs to see of the process table. */
export interface RecordSource {
  byUid(uid: ProcessUid): ProcessRecord | undefined;
  readonly counters: Counters;
}

/**
 * Keeps the newest version of each record, and does not give up: while the disk is full the daemon
 * goes on, and what could not be written is written as soon as there is room. Several changes of a
 * record may be kept by one write.
 */
export class RecordWriter implements AsyncDisposable {
  readonly #store: RecordStore;
  readonly #source: RecordSource;
  readonly #clock: Clock;
  readonly #onFailure: (error: unknown) => void;
  readonly #pending = new Map<ProcessUid, Promise<void>>();
  readonly #closed = new AbortController();

  constructor(
    store: RecordStore,
    source: RecordSource,
    clock: Clock,
    /** Told of each failed attempt. */
    onFailure: (error: unknown) => void,
  ) {
    this.#store = store;
    this.#source = source;
    this.#clock = clock;
    this.#onFailure = onFailure;
  }

  /** Resolves when the record as it was at this call, or a later version, is kept, or it was removed. */
  keep(uid: ProcessUid): Promise<void> {
    const queued = this.#pending.get(uid);
    if (queued !== undefined) return queued;
    const written = Promise.resolve().then(() => this.#write(uid));
    this.#pending.set(uid, written);
    return written;
  }

  /** Gives up what cannot be written now: it is in the keeper's table still. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(new Error("The daemon stops"));
    await Promise.allSettled(this.#pending.values());
  }

  async #write(uid: ProcessUid): Promise<void> {
    for (;;) {
      // From here on a change needs a write of its own.
      this.#pending.delete(uid);
      const record = this.#source.byUid(uid);
      if (record === undefined) return;
      try {
        await this.#store.save(record, this.#source.counters);
        return;
      } catch (error) {
        this.#onFailure(error);
        const queued = this.#pending.get(uid);
        if (queued !== undefined) return queued;
        const retry = this.#clock.sleep(RETRY_MS, this.#closed.signal).then(() => this.#write(uid));
        this.#pending.set(uid, retry);
        return retry;
      }
    }
  }
}
