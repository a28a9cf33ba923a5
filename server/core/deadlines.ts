import { type Clock } from "./clock.js";

/** One timer for each key at the most. Times are the clock's. */
export class Deadlines<Key> implements Disposable {
  readonly #clock: Clock;
  readonly #timers = new Map<Key, AbortController>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Replaces the timer of this key; `onDeadline` is called once, unless that is disarmed or replaced before. */
  arm(key: Key, atMs: number, onDeadline: () => void): void {
    this.disarm(key);
    const cancel = new AbortController();
    this.#timers.set(key, cancel);
    const fire = (): void => {
      if (this.#timers.get(key) !== cancel) return;
      this.#timers.delete(key);
      onDeadline();
    };
    // A rejection only says that the timer was disarmed.
    this.#clock
      .sleep(Math.max(0, atMs - this.#clock.now()), cancel.signal)
      .then(fire, () => undefined);
  }

  disarm(key: Key): void {
    this.#timers.get(key)?.abort();
    this.#timers.delete(key);
  }

  [Symbol.dispose](): void {
    for (const key of [...this.#timers.keys()]) this.disarm(key);
  }
}
