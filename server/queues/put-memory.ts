import { type Clock } from "../core/clock.js";
import { requestIdReused } from "./queue-errors.js";
import { callKey } from "./waiting-calls.js";

/** What a put with a request id is about. */
export interface PutIdentity {
  readonly caller: string;
  readonly requestId: string;
  readonly queueName: string;
  /** Another queue may have had the name before: its puts are not this queue's. */
  readonly queueUid: string;
  /** Equal for equal items only. */
  readonly digest: string;
}

interface Attempt {
  readonly kind: "under-way";
  readonly put: PutIdentity;
  readonly result: Promise<number>;
  readonly controller: AbortController;
  callers: number;
}

interface Done {
  readonly kind: "stored";
  readonly put: PutIdentity;
  readonly firstSeq: number;
  readonly forgetAt: number;
}

/**
 * Stores a put that is repeated once. What stored is remembered for a time, and at most so many of
 * them; what failed is not, so that a repetition tries again.
 *
 * A repetition of a put that is under way shares its attempt, which is cancelled when nobody waits
 * for it any more.
 */
export class PutMemory {
  static readonly rememberMs = 60_000;
  static readonly rememberAtMost = 10_000;

  readonly #clock: Clock;
  readonly #underWay = new Map<string, Attempt>();
  /** In the order in which they were stored, which is the order of `forgetAt`. */
  readonly #stored = new Map<string, Done>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#underWay.size + this.#stored.size;
  }

  /**
   * @param attempt puts the items and returns the sequence of the first
   * @throws DomainError request-id-reused; the signal's reason; whatever `attempt` throws
   */
  async once(
    put: PutIdentity,
    signal: AbortSignal | undefined,
    attempt: (signal: AbortSignal) => Promise<number>,
  ): Promise<number> {
    signal?.throwIfAborted();
    const key = callKey(put.caller, put.requestId);
    const known = this.#underWay.get(key) ?? this.#remembered(key);
    if (known === undefined || isOfAnEarlierQueue(known.put, put)) {
      return this.#share(this.#start(key, put, attempt), signal);
    }
    if (!isSamePut(known.put, put)) throw requestIdReused(put.requestId);
    return known.kind === "stored" ? known.firstSeq : this.#share(known, signal);
  }

  #start(
    key: string,
    put: PutIdentity,
    attempt: (signal: AbortSignal) => Promise<number>,
  ): Attempt {
    const controller = new AbortController();
    const result = this.#finish(key, put, attempt(controller.signal));
    const started: Attempt = { kind: "under-way", put, result, controller, callers: 0 };
    this.#underWay.set(key, started);
    return started;
  }

  async #finish(key: string, put: PutIdentity, result: Promise<number>): Promise<number> {
    try {
      const firstSeq = await result;
      this.#remember(key, put, firstSeq);
      return firstSeq;
    } finally {
      // A later attempt may have the key: its queue took the place of a deleted one.
      if (this.#underWay.get(key)?.put === put) this.#underWay.delete(key);
    }
  }

  async #share(attempt: Attempt, signal: AbortSignal | undefined): Promise<number> {
    attempt.callers++;
    const leave = (): void => {
      if (--attempt.callers === 0) attempt.controller.abort(signal?.reason);
    };
    if (signal === undefined) return attempt.result;
    return new Promise<number>((resolve, reject) => {
      const onAbort = (): void => {
        leave();
        // The last one waits for the attempt itself, which may have stored the items by now.
        if (attempt.callers > 0) reject(signal.reason as Error);
      };
      signal.addEventListener("abort", onAbort);
      const stop = (): void => {
        signal.removeEventListener("abort", onAbort);
      };
      attempt.result.then(resolve, reject).finally(stop).catch(reject);
    });
  }

  #remembered(key: string): Done | undefined {
    const done = this.#stored.get(key);
    return done !== undefined && this.#clock.now() < done.forgetAt ? done : undefined;
  }

  #remember(key: string, put: PutIdentity, firstSeq: number): void {
    const now = this.#clock.now();
    this.#stored.delete(key);
    this.#stored.set(key, { kind: "stored", put, firstSeq, forgetAt: now + PutMemory.rememberMs });
    for (const [oldest, { forgetAt }] of this.#stored) {
      if (this.#stored.size <= PutMemory.rememberAtMost && now < forgetAt) return;
      this.#stored.delete(oldest);
    }
  }
}

function isSamePut(a: PutIdentity, b: PutIdentity): boolean {
  return a.queueUid === b.queueUid && a.digest === b.digest;
}

function isOfAnEarlierQueue(known: PutIdentity, put: PutIdentity): boolean {
  return known.queueName === put.queueName && known.queueUid !== put.queueUid;
}
