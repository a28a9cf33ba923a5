import { type Deferred, deferred } from "../core/deferred.js";
import { type ProcessUid } from "../core/ids.js";
import { type SpawnOrder } from "./keeper.js";

interface Birth {
  /** Undefined until it has been given to the keeper. */
  readonly order: SpawnOrder | undefined;
  readonly outcome: Deferred<void>;
}

/** Creates that are under way in this daemon: what was ordered, and who waits for the outcome. */
export class Births {
  readonly #births = new Map<ProcessUid, Birth>();

  begin(uid: ProcessUid): void {
    const outcome = deferred();
    // Nobody may be waiting when it fails.
    outcome.promise.catch(() => undefined);
    this.#births.set(uid, { order: undefined, outcome });
  }

  /** The order is on its way to the keeper; it can be repeated if the keeper never got it. */
  ordered(order: SpawnOrder): void {
    const birth = this.#births.get(order.uid);
    if (birth !== undefined) this.#births.set(order.uid, { ...birth, order });
  }

  has(uid: ProcessUid): boolean {
    return this.#births.has(uid);
  }

  orderOf(uid: ProcessUid): SpawnOrder | undefined {
    return this.#births.get(uid)?.order;
  }

  /** Settles when the worker is born or cannot be; at once when no birth is under way. */
  async settled(uid: ProcessUid): Promise<void> {
    await this.#births.get(uid)?.outcome.promise;
  }

  succeed(uid: ProcessUid): void {
    this.#births.get(uid)?.outcome.resolve();
    this.#births.delete(uid);
  }

  fail(uid: ProcessUid, error: Error): void {
    this.#births.get(uid)?.outcome.reject(error);
    this.#births.delete(uid);
  }
}
