import { type ProcessUid } from "../core/ids.js";
import { type Counters, type ProcessRecord } from "./process-record.js";

/** Where records are kept. Changes take effect in the order of the calls. */
export interface RecordStore {
  /**
   * Resolves when the record and the counters survive the death of the daemon: both, or after a
   * crash neither. DomainError `disk-full` when they cannot be written; then nothing has changed.
   */
  save(record: ProcessRecord, counters: Counters): Promise<void>;
  /** Forgets a record and, if `expired`, remembers that there was one of that name. */
  remove(record: ProcessRecord, expired: ExpiredNames | null): Promise<void>;
}

/** Changes of the memory of expired names: one is added, perhaps one is forgotten. */
export interface ExpiredNames {
  readonly added: string;
  readonly forgotten: string | null;
}

/** What an earlier daemon kept. */
export interface RecoveredState {
  readonly records: readonly ProcessRecord[];
  readonly counters: Counters;
  /** Records that were true once, and may be out of date: what followed was damaged. */
  readonly suspects: ReadonlySet<ProcessUid>;
  /** Oldest first. */
  readonly expiredNames: readonly string[];
}
