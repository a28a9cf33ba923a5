import { type Clock } from "../core/clock.js";
import { type ProcessUid } from "../core/ids.js";

/** One timer for each process that has been told to end. Times are the clock's. */
export class StopDeadlines implements Disposable {
  readonly #clock: Clock;
  readonly #onDeadline: (uid: ProcessUid) => void;
  readonly #timers = new Map<ProcessUid, AbortController>();

  constructor(clock: Clock, onDeadline: (uid: ProcessUid) => void) {
    this.#clock = clock;
    this.#onDeadline = onDeadline;
  }

  /** Replaces the timer of this process. */
  arm(uid: ProcessUid, atMs: number): void {
    this.disarm(uid);
    const cancel = new AbortController();
    this.#timers.set(uid, cancel);
    const fire = (): void => {
      if (this.#timers.get(uid) !== cancel) return;
      this.#timers.delete(uid);
      this.#onDeadline(uid);
    };
    // A rejection only says that the timer was disarmed.
    this.#clock
      .sleep(Math.max(0, atMs - this.#clock.now()), cancel.signal)
      .then(fire, () => undefined);
  }

  disarm(uid: ProcessUid): void {
    this.#timers.get(uid)?.abort();
    this.#timers.delete(uid);
  }

  [Symbol.dispose](): void {
    for (const uid of [...this.#timers.keys()]) this.disarm(uid);
  }
}
