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
  /** Those that were under way before: they have waited longest. */
  readonly #again = new Map<ProcessUid, Entry>();
  readonly #waiting = new Map<ProcessUid, Entry>();
  readonly #underWay = new Map<ProcessUid, Entry>();

  /** The next is started only while there is room. */
  get hasRoom(): boolean {
    return this.#next() === undefined && this.#underWay.size < MAX_UNDER_WAY;
  }

  get isEmpty(): boolean {
    return this.#next() === undefined && this.#underWay.size === 0;
  }

  submit(job: BirthJob): void {
    const entry = { job, attempts: 1, server: null };
    if (job.started) this.#underWay.set(job.uid, entry);
    else this.#waiting.set(job.uid, entry);
  }

  /** Starts what can be started from this source now. */
  pump(source: Source): void {
    while (this.#underWay.size < MAX_UNDER_WAY) {
      const entry = this.#next();
      if (entry === undefined) return;
      const { job } = entry;
      this.drop(job.uid);
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
    this.#again.set(uid, { job: { ...entry.job, started: false }, attempts, server: null });
    return "waits";
  }

  /** It is over, however that came: true when it was one of ours. */
  drop(uid: ProcessUid): boolean {
    return [this.#again, this.#waiting, this.#underWay].some((jobs) => jobs.delete(uid));
  }

  /** Nothing serves, and nothing will. */
  failAll(error: Error): void {
    const waiting = [...this.#again.values(), ...this.#waiting.values()];
    this.#again.clear();
    this.#waiting.clear();
    for (const { job } of waiting) job.fail(error);
  }

  #next(): Entry | undefined {
    const [first] = this.#again.size > 0 ? this.#again.values() : this.#waiting.values();
    return first;
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
