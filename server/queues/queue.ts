import { type Items } from "../../wire/items.js";
import { type Clock } from "../core/clock.js";
import { deferred, type Deferred } from "../core/deferred.js";
import { DomainError } from "../core/errors.js";
import { type FrameLimits } from "./frame-limits.js";
import { costOf, ownedItems } from "./item-run.js";
import { type MemoryBudget } from "./memory-budget.js";
import { Producer, type PutObserver } from "./producer.js";
import { type ProducerPlace } from "./producer-place.js";
import { type PutMode } from "./putter.js";
import { QueueCore } from "./queue-core.js";
import {
  type DeliveredFrame,
  type PartyId,
  type QueueEffect,
  type TakerEnd,
} from "./queue-effect.js";
import { closedError, refusalError } from "./queue-errors.js";
import { mayExceed, requireFitting, requireItemFitting, type QueueSpec } from "./queue-spec.js";
import { type QueueCounts, type QueueState } from "./queue-status.js";
import { Subscription } from "./subscription.js";
import { type SubscriberOptions } from "./taker.js";
import { WaitTimers } from "./wait-timers.js";

export interface WaitOptions {
  /** 0 does not wait; undefined waits for ever. */
  readonly waitMs?: number | undefined;
  /** Gives up the wait. A reason of code `wait-cancelled` makes a get resolve without items. */
  readonly signal?: AbortSignal | undefined;
}

/** Items of a get. Until it is known that they arrived they are neither delivered nor lost. */
export interface Delivery {
  readonly kind: "frame";
  readonly frame: DeliveredFrame;
  /** They have been delivered. Only the first call of either does something. */
  taken(): void;
  /** They have not: they are ready again, in their old place. */
  putBack(): void;
}

export type GetOutcome =
  | Delivery
  | { readonly kind: "none"; readonly end: "empty" | "cancelled"; readonly backlog: number };

export interface ProduceOptions {
  /** How long an item may wait for room; undefined: for ever. */
  readonly waitMs: number | undefined;
  /** Rejects of the producer's items after this one are told again. */
  readonly knownSeq: number;
}

interface OpenPut {
  /** How many items are not stored yet. */
  items: number;
  stored(firstSeq: number, items: number): void;
  refused(error: DomainError): void;
}

export interface QueueDependencies {
  readonly clock: Clock;
  readonly budget: MemoryBudget;
  /** Called when the state has become another. */
  readonly onStateChange: () => void;
}

/**
 * One queue with promises: waits can be cancelled, and end by the clock.
 *
 * A cancelled put or get has had no effect. If it had one before it was cancelled, it resolves.
 */
export class Queue {
  readonly name: string;
  readonly #core: QueueCore;
  readonly #clock: Clock;
  readonly #budget: MemoryBudget;
  readonly #onStateChange: () => void;
  readonly #timers: WaitTimers;
  readonly #puts = new Map<PartyId, OpenPut>();
  readonly #gets = new Map<PartyId, Deferred<GetOutcome>>();
  readonly #subscriptions = new Map<PartyId, Subscription>();
  readonly #producers = new Set<Producer>();
  #lastParty = 0;
  #state: QueueState = "open";
  #closed: "deleted" | "stopping" | undefined;

  constructor(name: string, spec: QueueSpec, dependencies: QueueDependencies) {
    this.name = name;
    this.#core = new QueueCore(spec);
    this.#clock = dependencies.clock;
    this.#budget = dependencies.budget;
    this.#onStateChange = dependencies.onStateChange;
    this.#timers = new WaitTimers(this.#clock, (party) => {
      this.#run(this.#core.expire(party, this.#clock.now()));
    });
  }

  get spec(): QueueSpec {
    return this.#core.spec;
  }

  counts(): QueueCounts {
    return { ...this.#core.counts(this.#clock.now()), producers: this.#producers.size };
  }

  /** Timers that run, for tests and for whoever looks for leaks. */
  get armedTimers(): number {
    return this.#timers.size;
  }

  /**
   * Stores all items, or none.
   *
   * @returns the sequence of the first; the others follow without a gap
   * @throws DomainError invalid-field, item-too-large, host-exhausted, queue-full, queue-shut-down,
   *   queue-deleted, draining; or the signal's reason
   */
  async put(items: Items, options: WaitOptions = {}): Promise<number> {
    const { waitMs, signal } = options;
    signal?.throwIfAborted();
    requireFitting(this.spec, items);
    this.#budget.reserve(costOf(items));
    const answer = deferred<number>();
    const party = this.#put(items, "all-or-nothing", waitMs, {
      stored: answer.resolve,
      refused: answer.reject,
    });
    if (!this.#puts.has(party)) return answer.promise;
    return this.#cancellable(party, answer.promise, signal);
  }

  /** Opens a stream of items. It is the caller's to dispose of. */
  produce(place: ProducerPlace, { waitMs, knownSeq }: ProduceOptions): Producer {
    const closed = this.#closed;
    if (closed !== undefined) throw closedError(this.name, closed);
    const producer = new Producer(
      {
        put: (items, observer) => this.#putByItem(items, waitMs, observer),
        requireItemFitting: (bytes) => {
          requireItemFitting(this.spec, bytes);
        },
        mayExceed: (items) => mayExceed(this.spec, items),
        reserve: (itemBytes) => this.#reserve(itemBytes),
        leave: () => {
          this.#producers.delete(producer);
        },
      },
      place,
      knownSeq,
    );
    this.#producers.add(producer);
    return producer;
  }

  /**
   * The first items, as many as there are within the limits.
   *
   * @throws DomainError queue-shut-down, queue-deleted, draining; or the signal's reason
   */
  async get(limits: FrameLimits, options: WaitOptions = {}): Promise<GetOutcome> {
    const { waitMs, signal } = options;
    signal?.throwIfAborted();
    const party = this.#newParty();
    const answer = deferred<GetOutcome>();
    this.#gets.set(party, answer);
    this.#run(this.#core.get(party, limits, waitMs, this.#clock.now()));
    if (!this.#gets.has(party)) return answer.promise;
    try {
      return await this.#cancellable(party, answer.promise, signal);
    } catch (error) {
      if (!(error instanceof DomainError && error.code === "wait-cancelled")) throw error;
      return { kind: "none", end: "cancelled", backlog: this.counts().ready };
    }
  }

  subscribe(options: SubscriberOptions): Subscription {
    const party = this.#newParty();
    const subscription = new Subscription({
      pull: () => {
        this.#run(this.#core.pull(party, this.#clock.now()));
      },
      sent: () => this.#core.sentTo(party),
      take: (total) => {
        this.#run(this.#core.take(party, total, this.#clock.now()));
      },
      grant: (credit) => {
        this.#run(this.#core.grant(party, credit, this.#clock.now()));
      },
      release: () => {
        this.#subscriptions.delete(party);
        this.#run(this.#core.release(party, this.#clock.now()));
      },
    });
    this.#subscriptions.set(party, subscription);
    this.#run(this.#core.subscribe(party, options, this.#clock.now()));
    return subscription;
  }

  shutdown(immediate: boolean): void {
    this.#run(this.#core.shutdown(immediate, this.#clock.now()));
  }

  /** Drops every item, wakes everyone, and refuses whoever comes later. */
  close(reason: "deleted" | "stopping"): void {
    this.#closed ??= reason;
    for (const producer of this.#producers) producer.finish(reason);
    this.#run(this.#core.close(reason, this.#clock.now()));
  }

  #newParty(): PartyId {
    return ++this.#lastParty as PartyId;
  }

  /** Memory for the items has been reserved. */
  #put(
    items: Items,
    mode: PutMode,
    waitMs: number | undefined,
    { stored, refused }: Pick<OpenPut, "stored" | "refused">,
  ): PartyId {
    const party = this.#newParty();
    this.#puts.set(party, { items: items.count, stored, refused });
    this.#run(this.#core.put(party, ownedItems(items), mode, waitMs, this.#clock.now()));
    return party;
  }

  #putByItem(items: Items, waitMs: number | undefined, observer: PutObserver): Disposable {
    try {
      this.#budget.reserve(costOf(items));
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      observer.refused(error);
      return { [Symbol.dispose]: () => undefined };
    }
    const party = this.#put(items, "item-by-item", waitMs, {
      stored: (_firstSeq, count) => {
        observer.stored(count);
      },
      refused: (error) => {
        observer.refused(error);
      },
    });
    return {
      [Symbol.dispose]: () => {
        this.#run(this.#core.cancel(party, this.#clock.now()));
      },
    };
  }

  #reserve(bytes: number): Disposable {
    this.#budget.reserve(bytes);
    return {
      [Symbol.dispose]: () => {
        this.#budget.release(bytes);
      },
    };
  }

  /** Cancels the wait in the core, which then answers: so whoever won the race is known. */
  async #cancellable<T>(
    party: PartyId,
    answer: Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    if (signal === undefined) return answer;
    const onAbort = (): void => {
      this.#run(this.#core.cancel(party, this.#clock.now()));
    };
    signal.addEventListener("abort", onAbort);
    try {
      return await answer;
    } catch (error) {
      const cancelled = error instanceof DomainError && error.code === "wait-cancelled";
      throw cancelled ? signal.reason : error;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  #run(effects: readonly QueueEffect[]): void {
    for (const effect of effects) this.#act(effect);
    if (this.#core.state === this.#state) return;
    this.#state = this.#core.state;
    this.#onStateChange();
  }

  #act(effect: QueueEffect): void {
    switch (effect.kind) {
      case "stored": {
        const put = this.#puts.get(effect.party);
        if (put === undefined) return;
        put.items -= effect.items;
        if (put.items === 0) this.#puts.delete(effect.party);
        put.stored(effect.firstSeq, effect.items);
        return;
      }
      case "refused": {
        this.#budget.release(effect.cost);
        const put = this.#puts.get(effect.party);
        this.#puts.delete(effect.party);
        put?.refused(refusalError(this.name, this.spec, effect.reason));
        return;
      }
      case "delivered":
        this.#subscriptions.get(effect.party)?.deliver(effect.frame);
        this.#gets.get(effect.party)?.resolve(this.#delivery(effect.party, effect.frame));
        this.#gets.delete(effect.party);
        return;
      case "ended":
        this.#end(effect.party, effect.end);
        return;
      case "arm":
        this.#timers.arm(effect.party, effect.afterMs);
        return;
      case "disarm":
        this.#timers.disarm(effect.party);
        return;
      case "freed":
        this.#budget.release(effect.cost);
        return;
    }
  }

  #delivery(party: PartyId, frame: DeliveredFrame): Delivery {
    return {
      kind: "frame",
      frame,
      taken: () => {
        this.#run(this.#core.take(party, frame.items, this.#clock.now()));
      },
      putBack: () => {
        this.#run(this.#core.release(party, this.#clock.now()));
      },
    };
  }

  #end(party: PartyId, end: TakerEnd): void {
    this.#subscriptions.get(party)?.end(end);
    this.#subscriptions.delete(party);
    const get = this.#gets.get(party);
    this.#gets.delete(party);
    if (get === undefined) return;
    switch (end) {
      case "empty":
        get.resolve({ kind: "none", end, backlog: 0 });
        return;
      case "cancelled":
        get.reject(refusalError(this.name, this.spec, "cancelled"));
        return;
      case "shut-down":
      case "deleted":
      case "stopping":
        get.reject(closedError(this.name, end));
        return;
      case "limit":
        throw new Error("A get has no limit to reach");
    }
  }
}
