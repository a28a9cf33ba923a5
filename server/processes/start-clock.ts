import { type ProcessUid } from "../core/ids.js";
import { type CreateMoments } from "./start-timings.js";

/** When creates that are under way came, were admitted and were ordered. */
export class StartClock {
  readonly #moments = new Map<ProcessUid, CreateMoments>();

  arrived(uid: ProcessUid, arrivedMs: number, nowMs: number): void {
    this.#moments.set(uid, { arrivedMs, admittedMs: nowMs, orderedMs: nowMs });
  }

  admitted(uid: ProcessUid, nowMs: number): void {
    this.#change(uid, { admittedMs: nowMs, orderedMs: nowMs });
  }

  ordered(uid: ProcessUid, nowMs: number): void {
    this.#change(uid, { orderedMs: nowMs });
  }

  /** What there is, and forgets it. */
  take(uid: ProcessUid): CreateMoments | undefined {
    const moments = this.#moments.get(uid);
    this.#moments.delete(uid);
    return moments;
  }

  #change(uid: ProcessUid, change: Partial<CreateMoments>): void {
    const moments = this.#moments.get(uid);
    if (moments !== undefined) this.#moments.set(uid, { ...moments, ...change });
  }
}
