import { type Clock } from "../core/clock.js";

/** How long a write may wait for others. */
export const SHARED_WITHIN_MS = 5;

/**
 * Writes that nobody waits for, and of which nothing is lost when they are not made: they go out with the next write that
 * cannot wait, as one, or by themselves when none comes soon.
 */
export class SharedWrites implements Disposable {
  readonly #clock: Clock;
  readonly #closed = new AbortController();
  #waiting: (() => void)[] = [];
  #isTimed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `write` is called once, and must not throw. After disposal at once. */
  add(write: () => void): void {
    if (this.#closed.signal.aborted) {
      write();
      return;
    }
    this.#waiting.push(write);
    if (this.#isTimed) return;
    this.#isTimed = true;
    this.#clock.sleep(SHARED_WITHIN_MS, this.#closed.signal).then(
      () => {
        this.#isTimed = false;
        this.flush();
      },
      () => undefined,
    );
  }

  /** Another write is about to be made: all that wait are made now. */
  flush(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const write of waiting) write();
  }

  [Symbol.dispose](): void {
    this.#closed.abort(new Error("The daemon stops"));
    this.flush();
  }
}
