import { type ProcessUid } from "../core/ids.js";
import { type Counters, type ProcessRecord } from "../processes/process-record.js";
import {
  type ExpiredNames,
  type RecordStore,
  type RecoveredState,
} from "../processes/record-store.js";
import { type Change } from "./changes.js";
import { type KeyedStore } from "./keyed-store.js";
import {
  countersSchema,
  decodeValue,
  encodeValue,
  expiredSchema,
  recordSchema,
} from "./process-codec.js";

const PROCESS = "process/";
const EXPIRED = "expired/";
const COUNTERS = "counters";

/** What could not be understood of the kept state. */
export interface UnreadableEntry {
  readonly key: string;
  readonly error: unknown;
}

/** Process records in the keyed store: `process/UID`, `expired/NAME` and `counters`. */
export class KeptProcesses implements RecordStore {
  readonly #store: KeyedStore;

  constructor(store: KeyedStore) {
    this.#store = store;
  }

  /**
   * What an earlier daemon kept. An entry that cannot be read is left where it is and reported: its
   * worker, if there is one, is taken in again from the keeper.
   */
  recover(): RecoveredState & { readonly unreadable: readonly UnreadableEntry[] } {
    const records: ProcessRecord[] = [];
    const expired: { readonly name: string; readonly revision: number }[] = [];
    const unreadable: UnreadableEntry[] = [];
    const suspects = new Set<ProcessUid>();
    let counters: Counters = { revision: 0, created: 0 };
    for (const [key, value] of this.#store.entries) {
      try {
        if (key.startsWith(PROCESS)) {
          const record = decodeValue(recordSchema, value);
          records.push(record);
          if (this.#store.recovered.suspect.has(key)) suspects.add(record.uid);
        } else if (key.startsWith(EXPIRED)) {
          const { revision } = decodeValue(expiredSchema, value);
          expired.push({ name: key.slice(EXPIRED.length), revision });
        } else if (key === COUNTERS) counters = decodeValue(countersSchema, value);
      } catch (error) {
        unreadable.push({ key, error });
      }
    }
    // Where the counters were damaged, the records say how far they had come at least.
    const revision = records.reduce(
      (newest, record) => Math.max(newest, record.revision),
      counters.revision,
    );
    expired.sort((a, b) => a.revision - b.revision);
    return {
      records,
      counters: { ...counters, revision },
      suspects,
      expiredNames: expired.map(({ name }) => name),
      unreadable,
    };
  }

  save(record: ProcessRecord, counters: Counters): Promise<void> {
    return this.#store.batch([
      { kind: "put", key: PROCESS + record.uid, value: encodeValue(record) },
      { kind: "put", key: COUNTERS, value: encodeValue(counters) },
    ]);
  }

  remove({ uid, revision }: ProcessRecord, expired: ExpiredNames | null): Promise<void> {
    const changes: Change[] = [{ kind: "delete", key: PROCESS + uid }];
    if (expired !== null) {
      changes.push({ kind: "put", key: EXPIRED + expired.added, value: encodeValue({ revision }) });
      if (expired.forgotten !== null) {
        changes.push({ kind: "delete", key: EXPIRED + expired.forgotten });
      }
    }
    return this.#store.batch(changes);
  }
}
