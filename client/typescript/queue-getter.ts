import { randomUUID } from "node:crypto";
import { GetEnd, type GetResponse } from "../../proto/gen/forkbus/v1/queue.js";
import { waitInBand } from "./cancellable-wait.js";
import type { Connection } from "./connection.js";
import { BatchPace, type ConsumePace, ItemPace } from "./consume-pace.js";
import { ConsumeStream, type StreamEnd } from "./consume-stream.js";
import { ForkbusError, QueueShutDown } from "./errors.js";
import { linkSignals } from "./link-signals.js";
import { consume, failureOf } from "./queue-consumer.js";
import { didNothing, repeatWhileUnavailable } from "./retry.js";
import { type Deadline, deadlineAfter, waitFor, type WaitOptions } from "./wait-options.js";

const mostItemsOfGet = 65_536;
/** A large item that was there a moment ago may take so long to begin to arrive. */
const firstPartMs = 1_000;
const longestTimerMs = 0x7fff_ffff;

/** Gets items of one queue, in calls and in streams; what one of them took and did not hand on comes first. */
export class QueueGetter {
  readonly #connection: Connection;
  readonly #queue: string;
  /** Ends all gets. */
  readonly #closing: AbortSignal;
  #kept: Uint8Array[] = [];

  constructor(connection: Connection, queue: string, closing: AbortSignal) {
    this.#connection = connection;
    this.#queue = queue;
    this.#closing = closing;
  }

  /** Items that were taken and not handed on. */
  get kept(): number {
    return this.#kept.length;
  }

  /** Waits for the first item, and takes what else is there. Empty when none came in time. */
  async get(maxItems: number, { timeoutMs, signal }: WaitOptions): Promise<readonly Uint8Array[]> {
    using linked = linkSignals(signal, this.#closing);
    linked.signal.throwIfAborted();
    if (this.#kept.length > 0) return this.#kept.splice(0, maxItems);
    const deadline = deadlineAfter(timeoutMs);
    try {
      const response = await repeatWhileUnavailable(
        this.#connection,
        () => this.#getOnce(Math.min(maxItems, mostItemsOfGet), deadline, linked.signal),
        linked.signal,
        didNothing,
      );
      if (response.end === GetEnd.CANCELLED) linked.signal.throwIfAborted();
      return response.frame?.items ?? [];
    } catch (error) {
      if (!(error instanceof ForkbusError && error.reason === "ITEM_NEEDS_STREAM")) throw error;
      return await this.#getByStream(deadline, linked.signal);
    }
  }

  /** Items one after the other; `prefetch` is how many may wait here untaken. */
  async *items(
    prefetch: number | undefined,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of this.#chunks(new ItemPace(prefetch), signal)) {
      let next = 0;
      try {
        for (const item of chunk) {
          signal?.throwIfAborted();
          next++;
          yield item;
        }
      } finally {
        this.#kept.unshift(...chunk.slice(next));
      }
    }
  }

  /** Items in batches of at most so many. */
  batches(
    maxItems: number,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<readonly Uint8Array[], void, undefined> {
    return this.#chunks(new BatchPace(maxItems), signal);
  }

  async *#chunks(
    pace: ConsumePace,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<readonly Uint8Array[], void, undefined> {
    using linked = linkSignals(signal, this.#closing);
    while (this.#kept.length > 0) {
      linked.signal.throwIfAborted();
      yield this.#kept.splice(0, pace.chunkItems);
    }
    yield* consume(this.#connection, {
      queue: this.#queue,
      pace,
      signal: linked.signal,
      keep: (items) => {
        this.#kept.push(...items);
      },
    });
  }

  #getOnce(maxItems: number, deadline: Deadline, signal: AbortSignal): Promise<GetResponse> {
    const requestId = randomUUID();
    const request = { queue: this.#queue, requestId, maxItems, ...waitFor(deadline) };
    const get = (force: AbortSignal): Promise<GetResponse> =>
      this.#connection.queues.get(request, { signal: force });
    return waitInBand(this.#connection, request, get, signal);
  }

  /**
   * Gets one item on a stream, as one that is too large for a call has to be. The time is for its
   * beginning: what has begun to arrive in time may go on.
   */
  async #getByStream(deadline: Deadline, signal: AbortSignal): Promise<readonly Uint8Array[]> {
    signal.throwIfAborted();
    const window = { items: 1, bytes: 1 };
    using stream = new ConsumeStream(this.#connection, this.#queue, window, () => undefined);
    const close = (): void => {
      stream.close();
    };
    signal.addEventListener("abort", close, { once: true });
    const waitMs = Math.max(waitFor(deadline).waitMs ?? Infinity, firstPartMs);
    const giveUp = (): void => {
      if (!stream.hasArrived) stream.close();
    };
    const timer = waitMs > longestTimerMs ? undefined : setTimeout(giveUp, waitMs);
    try {
      const items = await stream.take(1);
      if (items.length > 0) return items;
      signal.throwIfAborted();
      if (!stream.closed) throw this.#failure(stream.end);
      return [];
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", close);
    }
  }

  #failure(end: StreamEnd | undefined): unknown {
    const message = `The queue ${this.#queue} is shut down`;
    return (
      failureOf(end, this.#queue) ?? new QueueShutDown(message, { code: "FAILED_PRECONDITION" })
    );
  }
}
