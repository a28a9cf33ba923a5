import { type ProcessUid } from "../core/ids.js";

/** How long ended processes are remembered. */
export interface RetentionPolicy {
  readonly maxRecords: number;
  readonly maxAgeMs: number;
}

/** How many names of expired records are remembered, to answer RECORD_EXPIRED. */
export const MAX_EXPIRED_NAMES = 10_000;

const NONE: ReadonlySet<ProcessUid> = new Set();

/**
 * Which ended processes have had their time: the oldest end goes first. Ages run on the monotonic
 * clock of this daemon; for processes that ended before it began, from their wall clock.
 */
export class Retention {
  readonly #policy: RetentionPolicy;
  /** In order of their end. */
  readonly #ended = new Map<ProcessUid, number>();
  readonly #expiredNames: Set<string>;

  constructor(policy: RetentionPolicy, expiredNames: Iterable<string> = []) {
    this.#policy = policy;
    this.#expiredNames = new Set(expiredNames);
  }

  /** `endedAtMs` never decreases from call to call. */
  noteEnded(uid: ProcessUid, endedAtMs: number): void {
    if (!this.#ended.has(uid)) this.#ended.set(uid, endedAtMs);
  }

  noteRemoved(uid: ProcessUid): void {
    this.#ended.delete(uid);
  }

  /** The next process to expire, if it has had its time; those that `going` has are on their way. */
  due(nowMs: number, going: Pick<ReadonlySet<ProcessUid>, "has"> = NONE): ProcessUid | undefined {
    let left = this.#ended.size;
    for (const [uid, endedAtMs] of this.#ended) {
      const tooMany = left > this.#policy.maxRecords;
      if (!tooMany && endedAtMs + this.#policy.maxAgeMs > nowMs) return undefined;
      if (!going.has(uid)) return uid;
      left--;
    }
    return undefined;
  }

  /** When the oldest will be due by age; undefined when there is none. */
  nextDueMs(): number | undefined {
    for (const endedAtMs of this.#ended.values()) return endedAtMs + this.#policy.maxAgeMs;
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
