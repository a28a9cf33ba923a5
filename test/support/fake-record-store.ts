import { DomainError } from "../../server/core/errors.js";
import type { ProcessUid } from "../../server/core/ids.js";
import type { Counters, ProcessRecord } from "../../server/processes/process-record.js";
import type {
  ExpiredNames,
  RecordStore,
  RecoveredState,
} from "../../server/processes/record-store.js";

/** Records in memory, and a disk that can be full. Writes settle in the order of the calls. */
export class FakeRecordStore implements RecordStore {
  readonly records = new Map<ProcessUid, ProcessRecord>();
  readonly expired = new Set<string>();
  counters: Counters = { revision: 0, created: 0 };
  isFull = false;
  saves = 0;
  #last: Promise<void> = Promise.resolve();

  save(record: ProcessRecord, counters: Counters): Promise<void> {
    return this.#write(() => {
      if (this.isFull) throw new DomainError("disk-full", "No space left");
      this.saves++;
      this.records.set(record.uid, record);
      this.counters = counters;
    });
  }

  /** Like the journal, it has a reserve for removals. */
  remove({ uid }: ProcessRecord, expired: ExpiredNames | null): Promise<void> {
    return this.#write(() => {
      this.records.delete(uid);
      if (expired === null) return;
      this.expired.add(expired.added);
      if (expired.forgotten !== null) this.expired.delete(expired.forgotten);
    });
  }

  /** What a new daemon would find. */
  recovered(): RecoveredState {
    return {
      records: [...this.records.values()],
      counters: this.counters,
      suspects: new Set(),
      expiredNames: [...this.expired],
    };
  }

  #write(apply: () => void): Promise<void> {
    const written = this.#last.then(apply);
    this.#last = written.catch(() => undefined);
    return written;
  }
}
