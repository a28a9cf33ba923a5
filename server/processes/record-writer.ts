import { type Clock } from "../core/clock.js";
import { type ProcessUid } from "../core/ids.js";
import { type Counters, type ProcessRecord } from "./process-record.js";
import { type RecordStore } from "./record-store.js";
import { type SharedWrites } from "./shared-writes.js";

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
  readonly #shared: SharedWrites;
  readonly #onFailure: (error: unknown) => void;
  readonly #pending = new Map<ProcessUid, Promise<void>>();
  readonly #leaving = new Set<ProcessUid>();
  readonly #behind = new Set<ProcessUid>();
  readonly #closed = new AbortController();
  #round: Promise<void> | null = null;

  constructor(
    store: RecordStore,
    source: RecordSource,
    clock: Clock,
    shared: SharedWrites,
    /** Told of each failed attempt. */
    onFailure: (error: unknown) => void,
  ) {
    this.#store = store;
    this.#source = source;
    this.#clock = clock;
    this.#shared = shared;
    this.#onFailure = onFailure;
  }

  /**
   * Resolves when the record as it was at this call, or a later version, is kept, or it was removed;
   * rejects when the daemon stops before. Nobody has to look.
   */
  keep(uid: ProcessUid): Promise<void> {
    const written = this.keepSoon(uid);
    void Promise.resolve().then(() => {
      this.#shared.flush();
    });
    return written;
  }

  /** The same with the next write, or in a moment: for what the keeper tells the next daemon too. */
  keepSoon(uid: ProcessUid): Promise<void> {
    const queued = this.#pending.get(uid);
    if (queued !== undefined) return queued;
    const written = new Promise<void>((resolve) => {
      this.#shared.add(() => {
        resolve(this.#write(uid));
      });
    });
    written.catch(() => undefined);
    this.#pending.set(uid, written);
    return written;
  }

  /** Whether there is a record whose newest version could not be written and is not kept yet. */
  get isBehind(): boolean {
    return this.#behind.size > 0;
  }

  /** One attempt, now: whether the newest version of the record is kept. */
  async attempt(uid: ProcessUid): Promise<boolean> {
    const record = this.#source.byUid(uid);
    if (record === undefined) return true;
    try {
      await this.#store.save(record, this.#source.counters);
      this.#behind.delete(uid);
      return true;
    } catch (error) {
      this.#onFailure(error);
      this.#behind.add(uid);
      return false;
    }
  }

  /** Until disposed nothing is written of a record, so that it can be removed for good. */
  suspend(uid: ProcessUid): Disposable {
    this.#leaving.add(uid);
    return {
      [Symbol.dispose]: () => {
        this.#leaving.delete(uid);
        if (this.#source.byUid(uid) === undefined) this.#behind.delete(uid);
      },
    };
  }

  /** Gives up what cannot be written now: it is in the keeper's table still. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(new Error("The daemon stops"));
    await Promise.allSettled(this.#pending.values());
  }

  async #write(uid: ProcessUid): Promise<void> {
    // From here on a change needs a write of its own.
    this.#pending.delete(uid);
    if (this.#source.byUid(uid) === undefined) {
      this.#behind.delete(uid);
      return;
    }
    if (!this.#leaving.has(uid) && (await this.attempt(uid))) return;
    const queued = this.#pending.get(uid);
    if (queued !== undefined) return queued;
    const retry = this.#nextRound().then(() => this.#write(uid));
    this.#pending.set(uid, retry);
    return retry;
  }

  /** One timer for all that could not be written. */
  #nextRound(): Promise<void> {
    this.#round ??= this.#clock.sleep(RETRY_MS, this.#closed.signal).finally(() => {
      this.#round = null;
    });
    return this.#round;
  }
}
