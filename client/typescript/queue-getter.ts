import { randomUUID } from "node:crypto";
import { GetEnd, type GetResponse } from "../../proto/gen/forkbus/v1/queue.js";
import { waitInBand } from "./cancellable-wait.js";
import type { Connection } from "./connection.js";
import { BatchPace, type ConsumePace, ItemPace } from "./consume-pace.js";
import { ConsumeStream } from "./consume-stream.js";
import { ForkbusError, QueueShutDown } from "./errors.js";
import { linkSignals } from "./link-signals.js";
import { consume } from "./queue-consumer.js";
import { didNothing, repeatWhileUnavailable } from "./retry.js";
import { type Deadline, deadlineAfter, waitFor, type WaitOptions } from "./wait-options.js";

const mostItemsOfGet = 65_536;

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
    if (this.#kept.length > 0) return this.#kept.splice(0, maxItems);
    using linked = linkSignals(signal, this.#closing);
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
    while (this.#kept.length > 0) {
      signal?.throwIfAborted();
      yield this.#kept.splice(0, pace.chunkItems);
    }
    using linked = linkSignals(signal, this.#closing);
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
    return waitInBand(this.#connection, requestId, get, signal);
  }

  /** Gets one item on a stream, as one that is too large for a call has to be. */
  async #getByStream(deadline: Deadline, signal: AbortSignal): Promise<readonly Uint8Array[]> {
    const { waitMs } = waitFor(deadline);
    const inTime = waitMs === undefined ? undefined : AbortSignal.timeout(waitMs);
    using giveUp = linkSignals(signal, inTime);
    const window = { items: 1, bytes: 1 };
    using stream = new ConsumeStream(this.#connection, this.#queue, window, () => undefined);
    const close = (): void => {
      stream.close();
    };
    giveUp.signal.addEventListener("abort", close);
    if (giveUp.signal.aborted) close();
    const items = await stream.take(1);
    if (items.length > 0) return items;
    signal.throwIfAborted();
    if (stream.end?.kind === "failed") throw stream.end.error;
    if (stream.end?.end === GetEnd.SHUT_DOWN) {
      throw new QueueShutDown(`The queue ${this.#queue} is shut down`, {
        code: "FAILED_PRECONDITION",
      });
    }
    return [];
  }
}
