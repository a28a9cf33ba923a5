import { type ProcessUid } from "../core/ids.js";

/** How long ended processes are remembered. */
export interface RetentionPolicy {
  readonly maxRecords: number;
  readonly maxAgeMs: number;
}

/** Records of ended processes may take up this much together, whatever their number. */
export const MAX_RETAINED_BYTES = 256 * 1024 * 1024;

/** How many names of expired records are remembered, to answer RECORD_EXPIRED. */
export const MAX_EXPIRED_NAMES = 10_000;

/**
 * Which ended processes have had their time: the oldest end goes first. Ages run on the monotonic
 * clock of this daemon; for processes that ended before it began, from their wall clock.
 */
export class Retention {
  readonly #policy: RetentionPolicy;
  /** In order of their end. */
  readonly #ended = new Map<ProcessUid, { readonly atMs: number; readonly bytes: number }>();
  readonly #expiredNames: Set<string>;
  #bytes = 0;

  constructor(policy: RetentionPolicy, expiredNames: Iterable<string> = []) {
    this.#policy = policy;
    this.#expiredNames = new Set(expiredNames);
  }

  /** `atMs` never decreases from call to call; `bytes` is about what the record takes up. */
  noteEnded(uid: ProcessUid, atMs: number, bytes: number): void {
    if (this.#ended.has(uid)) return;
    this.#ended.set(uid, { atMs, bytes });
    this.#bytes += bytes;
  }

  noteRemoved(uid: ProcessUid): void {
    this.#bytes -= this.#ended.get(uid)?.bytes ?? 0;
    this.#ended.delete(uid);
  }

  /** The oldest process that has had its time and may go. */
  due(nowMs: number, mayGo: (uid: ProcessUid) => boolean): ProcessUid | undefined {
    let left = this.#ended.size;
    let bytes = this.#bytes;
    for (const [uid, ended] of this.#ended) {
      const tooMany = left > this.#policy.maxRecords || bytes > MAX_RETAINED_BYTES;
      if (!tooMany && ended.atMs + this.#policy.maxAgeMs > nowMs) return undefined;
      if (mayGo(uid)) return uid;
      left--;
      bytes -= ended.bytes;
    }
    return undefined;
  }

  /** When the next will come due by age; undefined when there is none that is not due already. */
  nextDueMs(nowMs: number): number | undefined {
    for (const { atMs } of this.#ended.values()) {
      const dueMs = atMs + this.#policy.maxAgeMs;
      if (dueMs > nowMs) return dueMs;
    }
    return undefined;
  }

  /** Remembers a name; returns the one that had to be forgotten for it. */
  rememberExpired(name: string): string | null {
    this.#expiredNames.delete(name);
    this.#expiredNames.add(name);
    if (this.#expiredNames.size <= MAX_EXPIRED_NAMES) return null;
    for (const oldest of this.#expiredNames) {
      this.#expiredNames.delete(oldest);
      return oldest;
    }
    return null;
  }

  hasExpired(name: string): boolean {
    return this.#expiredNames.has(name);
  }
}
