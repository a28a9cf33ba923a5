import { type Clock } from "../core/clock.js";
import { type PartyId } from "./queue-effect.js";

/** One timer for each wait that has an end. */
export class WaitTimers {
  readonly #clock: Clock;
  readonly #onExpired: (party: PartyId) => void;
  readonly #armed = new Map<PartyId, AbortController>();

  constructor(clock: Clock, onExpired: (party: PartyId) => void) {
    this.#clock = clock;
    this.#onExpired = onExpired;
  }

  /** How many run. */
  get size(): number {
    return this.#armed.size;
  }

  arm(party: PartyId, afterMs: number): void {
    const controller = new AbortController();
    this.#armed.set(party, controller);
    void this.#run(party, afterMs, controller.signal);
  }

  disarm(party: PartyId): void {
    this.#armed.get(party)?.abort();
    this.#armed.delete(party);
  }

  async #run(party: PartyId, afterMs: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#clock.sleep(afterMs, signal);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    // Disarmed after the clock had woken it, and before it ran.
    if (!this.#armed.delete(party)) return;
    this.#onExpired(party);
  }
}
