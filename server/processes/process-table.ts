import { DomainError } from "../core/errors.js";
import { type ProcessUid } from "../core/ids.js";
import { labelSize } from "../core/labels.js";
import { type Listed, type Page, pageOf } from "../core/page.js";
import { SortedNames } from "../core/sorted-names.js";
import { Watchers } from "../core/watchers.js";
import { type Counters, type ProcessRecord } from "./process-record.js";
import { specBytes } from "./process-spec.js";
import { type ProcessState } from "./process-state.js";

export interface ProcessFilter {
  readonly namePrefix: string;
  /** All must match exactly. */
  readonly labels: Readonly<Record<string, string>>;
  /** Any of these; empty: all. */
  readonly states: readonly ProcessState["kind"][];
}

/** The only owner of process records. Every change of one goes through `put` or `remove`. */
export class ProcessTable {
  readonly #byName = new Map<string, ProcessRecord>();
  readonly #byUid = new Map<ProcessUid, ProcessRecord>();
  readonly #byRequest = new Map<string, ProcessUid>();
  readonly #names = new SortedNames();
  readonly #watchers = new Watchers<ProcessUid>();
  #counters: Counters;
  #bytes = 0;

  constructor(counters: Counters) {
    this.#counters = counters;
  }

  get size(): number {
    return this.#byUid.size;
  }

  /** About what the specs of all processes take up. */
  get bytes(): number {
    return this.#bytes;
  }

  get counters(): Counters {
    return this.#counters;
  }

  all(): Iterable<ProcessRecord> {
    return this.#byUid.values();
  }

  byUid(uid: ProcessUid): ProcessRecord | undefined {
    return this.#byUid.get(uid);
  }

  byName(name: string): ProcessRecord | undefined {
    return this.#byName.get(name);
  }

  byRequest(owner: string, requestId: string): ProcessRecord | undefined {
    const uid = this.#byRequest.get(requestKey(owner, requestId));
    return uid === undefined ? undefined : this.#byUid.get(uid);
  }

  /** A name that no process has, made from the count of processes ever created. */
  nextName(): string {
    for (;;) {
      this.#counters = { ...this.#counters, created: this.#counters.created + 1 };
      const name = `p-${String(this.#counters.created).padStart(6, "0")}`;
      if (!this.#byName.has(name)) return name;
    }
  }

  /** Adds or replaces, under the next revision. Wakes everyone who watches this process. */
  put(record: ProcessRecord): ProcessRecord {
    const revision = this.#counters.revision + 1;
    this.#counters = { ...this.#counters, revision };
    const revised = { ...record, revision };
    this.#enter(revised);
    this.#watchers.wake(record.uid);
    return revised;
  }

  /** Enters what an earlier daemon kept, as it was. */
  restore(record: ProcessRecord): void {
    this.#enter(record);
  }

  remove(uid: ProcessUid): void {
    const record = this.#byUid.get(uid);
    if (record === undefined) return;
    this.#bytes -= specBytes(record.spec);
    this.#byUid.delete(uid);
    this.#byName.delete(record.name);
    this.#names.delete(record.name);
    if (record.requestId !== null) {
      this.#byRequest.delete(requestKey(record.owner, record.requestId));
    }
    this.#counters = { ...this.#counters, revision: this.#counters.revision + 1 };
    this.#watchers.wake(uid);
  }

  /** At most `size` records, and fewer where their specs are large. */
  list(filter: ProcessFilter, after: string, size: number): Page<ProcessRecord> {
    return pageOf(this.#found(filter, after), size);
  }

  /**
   * Calls back at every change of this process, its removal included, until disposed. One call may
   * stand for several changes; the callback must not throw.
   */
  watch(uid: ProcessUid, onChange: () => void): Disposable {
    return this.#watchers.watch(uid, onChange);
  }

  *#found(filter: ProcessFilter, after: string): Iterable<Listed<ProcessRecord>> {
    for (const name of this.#names.list(filter.namePrefix, after)) {
      const item = this.#byName.get(name);
      if (item === undefined || !matches(item, filter)) continue;
      yield { name, item, size: specBytes(item.spec) + labelSize(Object.entries(item.labels)) };
    }
  }

  #enter(record: ProcessRecord): void {
    const isNew = !this.#byUid.has(record.uid);
    this.#byUid.set(record.uid, record);
    this.#byName.set(record.name, record);
    if (!isNew) return;
    this.#bytes += specBytes(record.spec);
    this.#names.add(record.name);
    if (record.requestId !== null) {
      this.#byRequest.set(requestKey(record.owner, record.requestId), record.uid);
    }
  }
}

/** Refuses to act on a process that has taken over the name of the one that was meant. */
export function checkUid(record: ProcessRecord, expected: ProcessUid | null): void {
  if (expected === null || expected === record.uid) return;
  throw new DomainError("uid-mismatch", `${record.name} is another process now`, {
    facts: { uid: record.uid },
  });
}

function matches(record: ProcessRecord, filter: ProcessFilter): boolean {
  if (filter.states.length > 0 && !filter.states.includes(record.state.kind)) return false;
  return Object.entries(filter.labels).every(([key, value]) => record.labels[key] === value);
}

/** A principal holds no NUL. */
function requestKey(owner: string, requestId: string): string {
  return `${owner}\0${requestId}`;
}
