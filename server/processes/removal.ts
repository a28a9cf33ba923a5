import { type Clock } from "../core/clock.js";
import { type ProcessUid } from "../core/ids.js";
import { type Keeper } from "./keeper.js";
import { type ProcessRecord } from "./process-record.js";
import { specBytes } from "./process-spec.js";
import { type ProcessTable } from "./process-table.js";
import { type RecordStore } from "./record-store.js";
import { type RecordWriter } from "./record-writer.js";
import { type Retention } from "./retention.js";
import { type SharedWrites } from "./shared-writes.js";

const MAX_EXPIRING = 64;
export interface RemovalParts {
  readonly table: ProcessTable;
  readonly store: RecordStore;
  readonly writer: RecordWriter;
  readonly shared: SharedWrites;
  readonly keeper: Keeper;
  readonly retention: Retention;
  readonly clock: Clock;
  readonly onFailure: (error: unknown) => void;
}

/**
 * Takes records away: of each first the record, then its output; what a crash leaves of the
 * output is swept at the next start. Records expire in the order in which their processes ended,
 * and only when the keeper has forgotten the worker; while the keeper is away nothing expires.
 */
export class Removal implements AsyncDisposable {
  readonly #parts: RemovalParts;
  readonly #acknowledged = new Set<ProcessUid>();
  readonly #closed = new AbortController();
  readonly #expiring = new Map<ProcessUid, Promise<void>>();
  #alarm: { readonly atMs: number; readonly cancel: AbortController } | null = null;
  #paused = true;

  constructor(parts: RemovalParts) {
    this.#parts = parts;
  }

  noteEnded({ uid, spec }: ProcessRecord): void {
    this.#parts.retention.noteEnded(uid, this.#parts.clock.now(), specBytes(spec));
    this.#expire();
  }

  /** The keeper has no worker of this process any more. */
  noteAcknowledged(uid: ProcessUid): void {
    if (this.#parts.table.byUid(uid) === undefined) return;
    this.#acknowledged.add(uid);
    this.#expire();
  }

  /** The keeper is there. */
  resume(): void {
    this.#paused = false;
    this.#expire();
  }

  pause(): void {
    this.#paused = true;
  }

  /** Removes what never lived. */
  async forgetUnborn(record: ProcessRecord): Promise<void> {
    this.#parts.table.remove(record.uid);
    await this.#parts.store.remove(record, null);
  }

  /** Removes the record and the output of a process that has ended with its tree. */
  async remove(record: ProcessRecord): Promise<void> {
    const { keeper, store, writer } = this.#parts;
    using _suspended = writer.suspend(record.uid);
    if (await writer.attempt(record.uid)) {
      await keeper.acknowledgeExit(record.uid);
      await store.remove(record, null);
    } else {
      // On a full disk only removals can be written, and waiting for room would leave it full.
      await store.remove(record, null);
      await this.#acknowledgeUnkept(record);
    }
    await this.#forget(record);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    this.#alarm?.cancel.abort();
    await Promise.all(this.#expiring.values());
  }

  /** Several at a time: one by one, each of which waits for the disk, would fall behind the ends. */
  #expire(): void {
    const { retention, clock, onFailure } = this.#parts;
    while (!this.#paused && !this.#closed.signal.aborted && this.#expiring.size < MAX_EXPIRING) {
      // Whoever acknowledges one comes back here.
      const uid = retention.due(
        clock.now(),
        (ended) => this.#acknowledged.has(ended) && !this.#expiring.has(ended),
      );
      if (uid === undefined) {
        // Whichever is on its way comes back here.
        if (this.#expiring.size === 0) this.#setAlarm();
        return;
      }
      const expired = this.#expireOne(uid).then(
        () => {
          this.#expiring.delete(uid);
          this.#expire();
        },
        (error: unknown) => {
          // Tried again at the next end or acknowledgement: there is no hurry.
          this.#expiring.delete(uid);
          onFailure(error);
        },
      );
      this.#expiring.set(uid, expired);
    }
  }

  async #expireOne(uid: ProcessUid): Promise<void> {
    const { table, store, retention, writer, shared } = this.#parts;
    // There is no hurry.
    await new Promise<void>((resolve) => {
      shared.add(resolve);
    });
    using _suspended = writer.suspend(uid);
    const record = table.byUid(uid);
    if (record === undefined) {
      retention.noteRemoved(uid);
      return;
    }
    const forgotten = retention.rememberExpired(record.name);
    await store.remove(record, { added: record.name, forgotten });
    await this.#forget(record);
  }

  async #forget({ uid }: ProcessRecord): Promise<void> {
    this.#parts.table.remove(uid);
    this.#parts.retention.noteRemoved(uid);
    this.#acknowledged.delete(uid);
    await this.#parts.keeper.removeOutput(uid);
  }

  /** Where the keeper does not answer, the process is there as before, and its record kept again. */
  async #acknowledgeUnkept({ uid }: ProcessRecord): Promise<void> {
    try {
      await this.#parts.keeper.acknowledgeExit(uid);
    } catch (error) {
      void this.#parts.writer.keep(uid);
      throw error;
    }
  }

  #setAlarm(): void {
    const { clock, retention } = this.#parts;
    // What is due and may not go yet needs none: whoever acknowledges it comes here.
    const nowMs = clock.now();
    const atMs = retention.nextDueMs(nowMs);
    // One that is set too early only looks, and is set anew.
    if (atMs === undefined || (this.#alarm !== null && this.#alarm.atMs <= atMs)) return;
    this.#alarm?.cancel.abort();
    const alarm = { atMs, cancel: new AbortController() };
    this.#alarm = alarm;
    clock.sleep(atMs - nowMs, alarm.cancel.signal).then(
      () => {
        if (this.#alarm !== alarm) return;
        this.#alarm = null;
        this.#expire();
      },
      // A later alarm has taken its place.
      () => undefined,
    );
  }
}
