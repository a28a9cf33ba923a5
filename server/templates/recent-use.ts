import { type Clock } from "../core/clock.js";

export interface RecentUseParts {
  readonly clock: Clock;
  readonly closed: AbortSignal;
  /** It has not been used for as long as counts as recent. */
  readonly idle: (name: string) => void;
}

const RECENT_MS = 60_000;

/** Which templates workers have been made of in the last minute. */
export class RecentUse {
  readonly #parts: RecentUseParts;
  readonly #lastMs = new Map<string, number>();

  constructor(parts: RecentUseParts) {
    this.#parts = parts;
  }

  has(name: string): boolean {
    return this.#lastMs.has(name);
  }

  /** True when it was not in use before. */
  note(name: string): boolean {
    const known = this.#lastMs.has(name);
    this.#lastMs.set(name, this.#parts.clock.now());
    if (!known) this.#lookIn(name, RECENT_MS);
    return !known;
  }

  forget(name: string): void {
    this.#lastMs.delete(name);
  }

  /** One timer for all uses meanwhile. */
  #lookIn(name: string, delayMs: number): void {
    const { clock, closed, idle } = this.#parts;
    const look = (): void => {
      const last = this.#lastMs.get(name);
      if (last === undefined) return;
      const leftMs = last + RECENT_MS - clock.now();
      if (leftMs > 0) {
        this.#lookIn(name, leftMs);
        return;
      }
      this.#lastMs.delete(name);
      idle(name);
    };
    clock.sleep(delayMs, closed).then(look, () => undefined);
  }
}
