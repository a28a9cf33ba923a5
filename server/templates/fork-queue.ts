import { type ProcessUid } from "../core/ids.js";
import { type BirthJob, isNeverBorn, type Source } from "../processes/fork-servers.js";
import { type SpawnFailure } from "../processes/keeper.js";

/** Orders that a fork server may have at once: enough that it never waits, few enough to fit in its socket. */
export const MAX_UNDER_WAY = 16;
/** Of one worker, each by another fork server that died, or one that had no room. */
const MAX_ATTEMPTS = 8;
/** What it costs that one answered nobody, which takes seconds. */
const ATTEMPTS_OF_SILENCE = 4;

interface Entry {
  readonly job: BirthJob;
  readonly attempts: number;
  /** Who has the order; null where it is not forked. */
  readonly server: ProcessUid | null;
}

/** The workers that one template is to make, in the order in which they were asked for. */
export class ForkQueue {
  #waiting: Entry[] = [];
  readonly #underWay = new Map<ProcessUid, Entry>();

  /** The next is started only while there is room. */
  get hasRoom(): boolean {
    return this.#waiting.length === 0 && this.#underWay.size < MAX_UNDER_WAY;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#underWay.size === 0;
  }

  submit(job: BirthJob): void {
    const entry = { job, attempts: 1, server: null };
    if (job.started) this.#underWay.set(job.uid, entry);
    else this.#waiting.push(entry);
  }

  /** Starts what can be started from this source now. */
  pump(source: Source): void {
    while (this.#waiting.length > 0 && this.#underWay.size < MAX_UNDER_WAY) {
      const entry = this.#waiting.shift();
      if (entry === undefined) return;
      const { job } = entry;
      const server = source.kind === "fork" ? source.server : null;
      this.#underWay.set(job.uid, { ...entry, server });
      try {
        job.start(source);
      } catch (error) {
        this.#underWay.delete(job.uid);
        job.fail(error instanceof Error ? error : new Error("Not started", { cause: error }));
      }
    }
  }

  /** True when it was one of ours. */
  noteBorn(uid: ProcessUid): boolean {
    return this.#underWay.delete(uid);
  }

  isUnderWay(uid: ProcessUid): boolean {
    return this.#underWay.has(uid);
  }

  /** The fork server that was asked for it. */
  serverOf(uid: ProcessUid): ProcessUid | null {
    return this.#underWay.get(uid)?.server ?? null;
  }

  /** `waits`: it is tried again. `over`: it was ours, and cannot be made. */
  noteFailed(uid: ProcessUid, failure: SpawnFailure): "waits" | "over" | "not-ours" {
    const entry = this.#underWay.get(uid);
    if (entry === undefined) return "not-ours";
    this.#underWay.delete(uid);
    const attempts = entry.attempts + (isSilence(failure) ? ATTEMPTS_OF_SILENCE : 1);
    if (!isWorthAnother(failure) || attempts > MAX_ATTEMPTS) return "over";
    // It has waited longest.
    this.#waiting.unshift({ job: { ...entry.job, started: false }, attempts, server: null });
    return "waits";
  }

  /** It is over, however that came: true when it was one of ours. */
  drop(uid: ProcessUid): boolean {
    const waiting = this.#waiting.filter(({ job }) => job.uid !== uid);
    const wasWaiting = waiting.length < this.#waiting.length;
    this.#waiting = waiting;
    return this.#underWay.delete(uid) || wasWaiting;
  }

  /** Nothing serves, and nothing will. */
  failAll(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { job } of waiting) job.fail(error);
  }
}

/** Its fork server has not answered anybody for seconds, and does nothing. */
export function isSilence({ step, errno }: SpawnFailure): boolean {
  return step === "birth" && errno === "ETIME";
}

/** One whose time is up is not: the longest that a start may take goes for all attempts together. */
function isWorthAnother(failure: SpawnFailure): boolean {
  return isNeverBorn(failure) && failure.errno !== "ETIMEDOUT";
}
