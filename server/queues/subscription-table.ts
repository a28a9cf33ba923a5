import { subscriptionNotFound } from "./queue-errors.js";
import { type Subscription } from "./subscription.js";

/** A subscription with its name. Disposing it gives back what is untaken and forgets the name. */
export interface OpenSubscription extends Disposable {
  readonly id: string;
  readonly subscription: Subscription;
}

interface Entry {
  readonly caller: string;
  readonly subscription: Subscription;
  /** How many more than it took it may be sent. */
  readonly maxUntaken: number;
}

/** Open subscriptions by the id that their clients take by. */
export class SubscriptionTable {
  readonly #newId: () => string;
  readonly #entries = new Map<string, Entry>();

  constructor(newId: () => string) {
    this.#newId = newId;
  }

  get size(): number {
    return this.#entries.size;
  }

  open(entry: Entry): OpenSubscription {
    const id = this.#newId();
    const { subscription } = entry;
    this.#entries.set(id, entry);
    return {
      id,
      subscription,
      [Symbol.dispose]: () => {
        this.#entries.delete(id);
        subscription[Symbol.dispose]();
      },
    };
  }

  /**
   * @returns how many items of the subscription are taken now
   * @throws DomainError subscription-not-found, also when it is another caller's or has ended;
   *   invalid-field for more than was sent
   */
  take(caller: string, id: string, total: number): number {
    const entry = this.#entries.get(id);
    if (entry?.caller !== caller) throw subscriptionNotFound(id);
    const taken = entry.subscription.take(total);
    if (taken === undefined) throw subscriptionNotFound(id);
    entry.subscription.grant({ items: taken + entry.maxUntaken, bytes: Infinity });
    return taken;
  }
}
