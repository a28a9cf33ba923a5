import { type Items } from "../../wire/items.js";
import { type Clock } from "../core/clock.js";
import { DomainError } from "../core/errors.js";
import { equalLabels, hasLabels, type Labels, labelSize } from "../core/labels.js";
import { type Listed, type Page, pageOf } from "../core/page.js";
import { SortedNames } from "../core/sorted-names.js";
import { type FrameLimits } from "./frame-limits.js";
import { MemoryBudget } from "./memory-budget.js";
import { PutMemory } from "./put-memory.js";
import { type Producer } from "./producer.js";
import { ProducerPlace } from "./producer-place.js";
import { ProducerTable } from "./producer-table.js";
import { queueNotFound } from "./queue-errors.js";
import { differingField, type QueueSpec } from "./queue-spec.js";
import { type QueueCounts } from "./queue-status.js";
import { type GetOutcome, type ProduceOptions, Queue } from "./queue.js";
import { type OpenSubscription, SubscriptionTable } from "./subscription-table.js";
import { type Subscription } from "./subscription.js";
import { type SubscriberOptions } from "./taker.js";
import { callKey, WaitingCalls } from "./waiting-calls.js";

/** A queue as others see it, at one moment. */
export interface QueueView {
  readonly name: string;
  readonly uid: string;
  readonly revision: bigint;
  readonly owner: string;
  readonly labels: Labels;
  readonly spec: QueueSpec;
  /** Wall clock. */
  readonly createdAtMs: number;
  readonly counts: QueueCounts;
}

export interface QueueTableOptions {
  readonly clock: Clock;
  /** A string that was never returned before and that nobody can guess, of `[a-z0-9-]`. */
  readonly newUid: () => string;
  /** A larger number at every call. */
  readonly nextRevision: () => bigint;
  readonly maxQueues?: number;
  /** For all queues together. */
  readonly maxTotalBytes?: number;
}

export interface CreateQueue {
  /** Undefined: the table makes one. */
  readonly name: string | undefined;
  readonly owner: string;
  readonly labels: Labels;
  readonly spec: QueueSpec;
}

export interface ListQueues {
  readonly prefix: string;
  readonly labels: Labels;
  /** Only names after this one. */
  readonly after: string;
  readonly pageSize: number;
}

/** A waiting call as its caller names it. */
interface CallOptions {
  readonly queue: string;
  readonly caller: string;
  /** 0 does not wait; undefined waits for ever. */
  readonly waitMs: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface PutCall extends CallOptions {
  readonly items: Items;
  /** The digest is equal for equal items only. */
  readonly request: { readonly id: string; readonly digest: string } | undefined;
}

export interface GetCall extends CallOptions {
  readonly limits: FrameLimits;
  readonly requestId: string | undefined;
}

export interface ProduceCall extends ProduceOptions {
  readonly queue: string;
  readonly caller: string;
  /** Names the producer across its streams; undefined: it has one. */
  readonly producerId: string | undefined;
}

/** A stream of items, and how to end it: what waits is given up, and its place is remembered for a time. */
export interface OpenProducer extends Disposable {
  readonly producer: Producer;
}

interface Entry {
  readonly queue: Queue;
  readonly uid: string;
  readonly owner: string;
  readonly labels: Labels;
  readonly createdAtMs: number;
  revision: bigint;
}

/**
 * The owner of all queues. What it answers was so at one moment, and each call takes effect at
 * once: a queue that was deleted is never served by a call that began before.
 */
export class QueueTable {
  static readonly defaultMaxQueues = 100_000;
  static readonly defaultMaxTotalBytes = 1024 * 1024 * 1024;

  readonly #options: QueueTableOptions;
  readonly #maxQueues: number;
  readonly #budget: MemoryBudget;
  readonly #entries = new Map<string, Entry>();
  readonly #names = new SortedNames();
  readonly #waiting = new WaitingCalls();
  readonly #puts: PutMemory;
  readonly #producers: ProducerTable;
  readonly #subscriptions: SubscriptionTable;
  #stopping = false;

  constructor(options: QueueTableOptions) {
    this.#options = options;
    this.#maxQueues = options.maxQueues ?? QueueTable.defaultMaxQueues;
    this.#budget = new MemoryBudget(options.maxTotalBytes ?? QueueTable.defaultMaxTotalBytes);
    this.#puts = new PutMemory(options.clock);
    this.#producers = new ProducerTable(options.clock);
    this.#subscriptions = new SubscriptionTable(options.newUid);
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Memory that items use, waiting puts included. */
  get usedBytes(): number {
    return this.#budget.usedBytes;
  }

  /** All queues together. Looks at each. */
  totals(): { readonly count: number; readonly items: number; readonly bytes: number } {
    let items = 0;
    for (const { queue } of this.#entries.values()) {
      const { ready, untaken } = queue.counts();
      items += ready + untaken;
    }
    return { count: this.#entries.size, items, bytes: this.#budget.usedBytes };
  }

  /**
   * Makes a queue, or finds an equal one of that name.
   *
   * @throws DomainError queue-exists, host-exhausted, draining
   */
  create(request: CreateQueue): { readonly queue: QueueView; readonly created: boolean } {
    this.#requireRunning();
    const { name = `queue-${this.#options.newUid()}`, spec, labels, owner } = request;
    const known = this.#entries.get(name);
    if (known !== undefined) {
      requireEqual(known, spec, labels);
      return { queue: this.#view(known), created: false };
    }
    if (this.#entries.size >= this.#maxQueues) {
      throw new DomainError("host-exhausted", `There are ${this.#maxQueues} queues already`, {
        facts: { resource: "queues", limit: String(this.#maxQueues) },
      });
    }
    const { clock, newUid, nextRevision } = this.#options;
    const onStateChange = (): void => {
      entry.revision = nextRevision();
    };
    const queue = new Queue(name, spec, { clock, budget: this.#budget, onStateChange });
    const createdAtMs = clock.wallTime();
    const entry: Entry = {
      queue,
      uid: newUid(),
      owner,
      labels,
      createdAtMs,
      revision: nextRevision(),
    };
    this.#entries.set(name, entry);
    this.#names.add(name);
    return { queue: this.#view(entry), created: true };
  }

  /**
   * @throws DomainError queue-not-found
   */
  view(name: string): QueueView {
    return this.#view(this.#require(name));
  }

  /** By name. A page is what there is when it is asked for; queues made or deleted between pages may be on none. */
  list(request: ListQueues): Page<QueueView> {
    return pageOf(this.#found(request), request.pageSize);
  }

  /**
   * Drops the queue and its items and wakes everyone; does nothing when there is none.
   *
   * @throws DomainError uid-mismatch, queue-not-empty
   */
  delete(name: string, options: { uid?: string | undefined; onlyIfEmpty?: boolean } = {}): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    if (options.uid !== undefined && options.uid !== entry.uid) {
      throw new DomainError("uid-mismatch", `The queue ${name} is another one now`, {
        facts: { uid: entry.uid },
      });
    }
    const { ready, untaken } = entry.queue.counts();
    if (options.onlyIfEmpty === true && ready + untaken > 0) {
      throw new DomainError("queue-not-empty", `The queue ${name} has ${ready + untaken} items`);
    }
    this.#entries.delete(name);
    this.#names.delete(name);
    entry.queue.close("deleted");
  }

  /**
   * @throws DomainError queue-not-found
   */
  shutdown(name: string, immediate: boolean): QueueView {
    const entry = this.#require(name);
    entry.queue.shutdown(immediate);
    return this.#view(entry);
  }

  /**
   * Stores all items, or none; see Queue.put. With a request id, a repeated put stores once.
   *
   * @returns the sequence of the first item
   * @throws DomainError queue-not-found, request-id-reused, wait-cancelled, and those of Queue.put
   */
  async put(call: PutCall): Promise<number> {
    const { queue, uid } = this.#require(call.queue);
    const { items, waitMs, request, caller } = call;
    if (request === undefined) return queue.put(items, { waitMs, signal: call.signal });
    const { id: requestId, digest } = request;
    const identity = { caller, requestId, queueName: queue.name, queueUid: uid, digest };
    return this.#puts.once(identity, call.signal, (shared) =>
      this.#waiting.run(caller, requestId, shared, (signal) =>
        queue.put(items, { waitMs, signal }),
      ),
    );
  }

  /**
   * The first items of the queue; see Queue.get. The caller says what became of them.
   *
   * @throws DomainError queue-not-found, request-id-reused, and those of Queue.get
   */
  async get(call: GetCall): Promise<GetOutcome> {
    const { queue } = this.#require(call.queue);
    const { limits, waitMs, requestId, caller } = call;
    if (requestId === undefined) return queue.get(limits, { waitMs, signal: call.signal });
    return this.#waiting.run(caller, requestId, call.signal, (signal) =>
      queue.get(limits, { waitMs, signal }),
    );
  }

  /** Whether a put or get of that caller with that request id was waiting; it now ends. */
  cancelWait(caller: string, requestId: string): boolean {
    return this.#waiting.cancel(caller, requestId);
  }

  /**
   * Opens a stream of items into a queue. With a producer id it goes on where the one before was,
   * which ends if it is still open.
   *
   * @throws DomainError queue-not-found, draining
   */
  produce(call: ProduceCall): OpenProducer {
    const { caller, producerId } = call;
    const { queue, uid } = this.#require(call.queue);
    if (producerId === undefined) {
      const producer = queue.produce(new ProducerPlace(), call);
      return {
        producer,
        [Symbol.dispose]: () => {
          producer[Symbol.dispose]();
        },
      };
    }
    const key = `${callKey(caller, producerId)} ${uid}`;
    const producer = this.#producers.open(key, (place) => queue.produce(place, call));
    return {
      producer,
      [Symbol.dispose]: () => {
        producer[Symbol.dispose]();
        this.#producers.close(key, producer);
      },
    };
  }

  /**
   * Items of a queue for a consumer that takes them itself. It is the caller's to dispose of.
   *
   * @throws DomainError queue-not-found, draining
   */
  consume(queue: string, options: SubscriberOptions): Subscription {
    return this.#require(queue).queue.subscribe(options);
  }

  /**
   * Items of a queue for a consumer that takes them by the id. When it takes, it may be sent
   * `maxUntaken` more than it took.
   *
   * @throws DomainError queue-not-found
   */
  subscribe(
    queue: string,
    caller: string,
    options: SubscriberOptions,
    maxUntaken: number,
  ): OpenSubscription {
    const subscription = this.#require(queue).queue.subscribe(options);
    return this.#subscriptions.open({ caller, subscription, maxUntaken });
  }

  /**
   * Items of a subscription up to this total are delivered.
   *
   * @throws DomainError subscription-not-found, invalid-field
   */
  take(caller: string, subscriptionId: string, total: number): number {
    return this.#subscriptions.take(caller, subscriptionId, total);
  }

  /** The daemon stops: waits end in `draining`, subscriptions in `stopping`, and no queue is found. */
  stop(): void {
    this.#stopping = true;
    for (const { queue } of this.#entries.values()) queue.close("stopping");
  }

  *#found({ prefix, labels, after }: ListQueues): Iterable<Listed<QueueView>> {
    for (const name of this.#names.list(prefix, after)) {
      const entry = this.#entries.get(name);
      if (entry === undefined || !hasLabels(entry.labels, labels)) continue;
      yield { name, item: this.#view(entry), size: labelSize(entry.labels) };
    }
  }

  #require(name: string): Entry {
    this.#requireRunning();
    const entry = this.#entries.get(name);
    if (entry === undefined) throw queueNotFound(name);
    return entry;
  }

  #requireRunning(): void {
    if (!this.#stopping) return;
    throw new DomainError("draining", "The daemon stops", { retryAfterMs: 1000 });
  }

  #view(entry: Entry): QueueView {
    const { queue, uid, revision, owner, labels, createdAtMs } = entry;
    const { name, spec } = queue;
    return { name, uid, revision, owner, labels, spec, createdAtMs, counts: queue.counts() };
  }
}

function requireEqual(known: Entry, spec: QueueSpec, labels: Labels): void {
  const { name, spec: knownSpec } = known.queue;
  const field =
    differingField(knownSpec, spec) ?? (equalLabels(known.labels, labels) ? undefined : "labels");
  if (field === undefined) return;
  throw new DomainError("queue-exists", `There is a queue ${name} with other ${field}`, {
    facts: { field },
  });
}
