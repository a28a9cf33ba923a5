import { type Deferred, deferred } from "../core/deferred.js";
import { type ProcessUid } from "../core/ids.js";
import { type BirthOrder } from "./keeper.js";

interface Birth {
  /** `unknown`: an earlier daemon may have given it to the keeper. */
  readonly order: BirthOrder | "not-given" | "unknown";
  readonly outcome: Deferred<void>;
}

/** Creates that are under way: what was ordered, and who waits for the outcome. */
export class Births {
  readonly #births = new Map<ProcessUid, Birth>();

  begin(uid: ProcessUid): void {
    this.#enter(uid, "not-given");
  }

  /** A create that was under way when an earlier daemon ended. */
  resume(uid: ProcessUid): void {
    this.#enter(uid, "unknown");
  }

  /** The order is on its way to the keeper; it can be repeated if the keeper never got it. */
  ordered(order: BirthOrder): void {
    const birth = this.#births.get(order.uid);
    if (birth !== undefined) this.#births.set(order.uid, { ...birth, order });
  }

  /** It is to be ordered anew. */
  withdraw(uid: ProcessUid): void {
    const birth = this.#births.get(uid);
    if (birth !== undefined) this.#births.set(uid, { ...birth, order: "not-given" });
  }

  /** The intent is being kept; only then the order goes to the keeper. */
  awaitsOrder(uid: ProcessUid): boolean {
    return this.#births.get(uid)?.order === "not-given";
  }

  orderOf(uid: ProcessUid): BirthOrder | undefined {
    const order = this.#births.get(uid)?.order;
    return typeof order === "object" ? order : undefined;
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

  #enter(uid: ProcessUid, order: Birth["order"]): void {
    const outcome = deferred();
    // Nobody may be waiting when it fails.
    outcome.promise.catch(() => undefined);
    this.#births.set(uid, { order, outcome });
  }
}
