import { randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";
import {
  GetEnd,
  type GetResponse,
  type Queue as QueueMessage,
  type QueueStatus,
} from "../../proto/gen/forkbus/v1/queue.js";
import { waitInBand } from "./cancellable-wait.js";
import type { Connection } from "./connection.js";
import { ForkbusError, QueueEmpty } from "./errors.js";
import { linkSignals } from "./link-signals.js";
import type { Codec } from "./queue-codec.js";
import { consume } from "./queue-consumer.js";
import { type FrameBounds, frames } from "./queue-frames.js";
import { didNothing, repeatWhileUnavailable } from "./retry.js";
import {
  type Deadline,
  deadlineAfter,
  type SignalOption,
  waitFor,
  type WaitOptions,
  withSignal,
} from "./wait-options.js";

export interface ItemsOptions extends SignalOption {
  /**
   * Most items that wait here for their turn, where no other consumer can have them. They go back to the queue when the
   * iteration ends. Default 64; 1 shares long work evenly.
   */
  readonly prefetch?: number;
}

export interface QueueSetup<T> {
  readonly connection: Connection;
  readonly message: QueueMessage;
  readonly codec: Codec<T>;
  /** Whether disposing the handle deletes the queue. */
  readonly owned: boolean;
}

const defaultPrefetch = 64;
const mostItemsOfGet = 65_536;

/**
 * A handle of one queue, with the names of Python's `multiprocessing.Queue`. Items come out in the order in which they
 * were put, each at most once; they live in the daemon's memory, and are gone with it.
 *
 * Aborting a put or a get is exact: when the signal's reason is thrown, nothing was put or got; when the item was
 * quicker, the call returns as if there had been no abort. Puts are repeated when the connection breaks, and stored
 * once. Gets are not: after an UnavailableError the items of one answer may be lost.
 */
export class Queue<T> implements AsyncIterable<T>, AsyncDisposable {
  readonly name: string;
  readonly uid: string;
  readonly #connection: Connection;
  readonly #codec: Codec<T>;
  readonly #bounds: FrameBounds;
  readonly #owned: boolean;
  readonly #closing = new AbortController();
  /** Taken by an iteration that ended before it handed them on: the next get or iteration begins with them. */
  #kept: Uint8Array[] = [];

  /** Programs use `Client.queue` and `Client.openQueue`. */
  constructor({ connection, message, codec, owned }: QueueSetup<T>) {
    this.name = message.name;
    this.uid = message.uid;
    this.#connection = connection;
    this.#codec = codec;
    this.#owned = owned;
    // One listener for each wait.
    setMaxListeners(0, this.#closing.signal);
    this.#bounds = {
      maxItems: limit(message.spec?.maxItems),
      maxBytes: limit(message.spec?.maxBytes),
    };
  }

  /** Puts one item. Waits for room; throws QueueFull when there is none in time, QueueShutDown when there never will. */
  async put(item: T, options: WaitOptions = {}): Promise<void> {
    await this.#put([this.#codec.encode(item)], deadlineAfter(options.timeoutMs), options.signal);
  }

  /** Throws QueueFull unless there is room now. */
  async putNowait(item: T, options: SignalOption = {}): Promise<void> {
    await this.put(item, { ...options, timeoutMs: 0 });
  }

  /**
   * Puts many items in order, in as few calls as they fit in; items of others may come between two calls. The time is
   * for all of them. When a call fails, the items of those before it are in the queue: `onPut` is told how many, each
   * time.
   */
  async putMany(
    items: Iterable<T>,
    options: WaitOptions & { readonly onPut?: (items: number) => void } = {},
  ): Promise<void> {
    const deadline = deadlineAfter(options.timeoutMs);
    const encoded = Array.from(items, (item) => this.#codec.encode(item));
    for (const run of frames(encoded, this.#bounds)) {
      await this.#put(run, deadline, options.signal);
      options.onPut?.(run.length);
    }
  }

  /** Gets one item. Throws QueueEmpty when none comes in time, QueueShutDown when none ever will. */
  async get(options: WaitOptions = {}): Promise<T> {
    const [item] = await this.#get(1, options);
    if (item === undefined) throw new QueueEmpty(this.name);
    return this.#codec.decode(item);
  }

  /** Throws QueueEmpty unless there is an item now. */
  async getNowait(options: SignalOption = {}): Promise<T> {
    return await this.get({ ...options, timeoutMs: 0 });
  }

  /** Waits for the first item, and takes what else is there, at most `max`. Empty when none came in time. */
  async getMany(max: number, options: WaitOptions = {}): Promise<T[]> {
    if (!Number.isInteger(max) || max < 1) {
      throw new RangeError(`getMany takes at least 1 item, got ${max}`);
    }
    const items = await this.#get(Math.min(max, mostItemsOfGet), options);
    return items.map((item) => this.#codec.decode(item));
  }

  [Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    return this.items();
  }

  /**
   * Gets items until the queue is shut down and drained. An item is taken from the queue shortly before the loop sees
   * it: when this program dies, at most 32 are lost with it, and only one if each takes long. Leaving the loop gives
   * back what was not taken; what was taken and not seen stays here for the next get or loop.
   */
  async *items(options: ItemsOptions = {}): AsyncGenerator<T, void, undefined> {
    while (this.#kept.length > 0) {
      options.signal?.throwIfAborted();
      yield* this.#takeKept(1).map((item) => this.#codec.decode(item));
    }
    using linked = linkSignals(options.signal, this.#closing.signal);
    const items = consume(this.#connection, {
      queue: this.name,
      prefetch: options.prefetch ?? defaultPrefetch,
      signal: linked.signal,
      keep: (rest) => this.#kept.unshift(...rest),
    });
    for await (const item of items) yield this.#codec.decode(item);
  }

  /** Items that a get could have at once. By the time that it is known it may be different. */
  async size(options: SignalOption = {}): Promise<number> {
    const status = await this.#status(options);
    return Number(status?.ready ?? 0) + this.#kept.length;
  }

  async empty(options: SignalOption = {}): Promise<boolean> {
    return (await this.size(options)) === 0;
  }

  /** Whether a put would have to wait. What others hold and have not taken counts. */
  async full(options: SignalOption = {}): Promise<boolean> {
    const status = await this.#status(options);
    if (status === undefined) return false;
    const items = Number(status.ready + status.untaken);
    return items >= this.#bounds.maxItems || Number(status.storedBytes) >= this.#bounds.maxBytes;
  }

  /**
   * Ends putting for good, for everyone. Gets go on until the queue is empty, and then throw QueueShutDown; with
   * `immediate` what is there is dropped.
   */
  async shutdown(options: SignalOption & { readonly immediate?: boolean } = {}): Promise<void> {
    const { immediate = false } = options;
    await this.#repeat(options, (call) =>
      this.#connection.queues.shutdownQueue({ name: this.name, immediate }, call),
    );
  }

  /** Removes the queue with its items; all who wait get NotFoundError. Deleting what is not there is no error. */
  async delete(options: SignalOption & { readonly onlyIfEmpty?: boolean } = {}): Promise<void> {
    const { name, uid } = this;
    const { onlyIfEmpty = false } = options;
    await this.#repeat(options, (call) =>
      this.#connection.queues.deleteQueue({ name, uid, onlyIfEmpty }, call),
    );
  }

  /**
   * Ends the waits and iterations of this handle with ForkbusError CANCELLED. The queue and its items stay; what a loop
   * that was left early had taken and not seen goes with the handle. Any number of times.
   */
  close(): void {
    this.#closing.abort(
      new ForkbusError(`The handle of the queue ${this.name} is closed`, { code: "CANCELLED" }),
    );
  }

  /** What `await using` does: closes the handle, and deletes the queue if it was made for it, without a name. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    if (this.#owned) await this.delete();
  }

  async #put(
    items: readonly Uint8Array[],
    deadline: Deadline,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    using linked = linkSignals(signal, this.#closing.signal);
    const requestId = randomUUID();
    const frame = { items: [...items] };
    const put = (force: AbortSignal): Promise<unknown> =>
      this.#connection.queues.put(
        { queue: this.name, requestId, frame, ...waitFor(deadline) },
        { signal: force },
      );
    try {
      await repeatWhileUnavailable(
        this.#connection,
        () => waitInBand(this.#connection, requestId, put, linked.signal),
        linked.signal,
      );
    } catch (error) {
      if (error instanceof ForkbusError && error.reason === "WAIT_CANCELLED") {
        linked.signal.throwIfAborted();
      }
      throw error;
    }
  }

  async #get(maxItems: number, { timeoutMs, signal }: WaitOptions): Promise<Uint8Array[]> {
    if (this.#kept.length > 0) return this.#takeKept(maxItems);
    using linked = linkSignals(signal, this.#closing.signal);
    const deadline = deadlineAfter(timeoutMs);
    const response = await repeatWhileUnavailable(
      this.#connection,
      () => this.#getOnce(maxItems, deadline, linked.signal),
      linked.signal,
      didNothing,
    );
    if (response.end === GetEnd.CANCELLED) linked.signal.throwIfAborted();
    return response.frame?.items ?? [];
  }

  #getOnce(maxItems: number, deadline: Deadline, signal: AbortSignal): Promise<GetResponse> {
    const requestId = randomUUID();
    const request = { queue: this.name, requestId, maxItems, ...waitFor(deadline) };
    const get = (force: AbortSignal): Promise<GetResponse> =>
      this.#connection.queues.get(request, { signal: force });
    return waitInBand(this.#connection, requestId, get, signal);
  }

  #takeKept(max: number): Uint8Array[] {
    return this.#kept.splice(0, max);
  }

  async #status(options: SignalOption): Promise<QueueStatus | undefined> {
    const { queue } = await this.#repeat(options, (call) =>
      this.#connection.queues.getQueue({ name: this.name }, call),
    );
    return queue?.status;
  }

  #repeat<R>({ signal }: SignalOption, call: (options: SignalOption) => Promise<R>): Promise<R> {
    return repeatWhileUnavailable(this.#connection, () => call(withSignal(signal)), signal);
  }
}

/** Zero means none. Limits are far below 2^53. */
function limit(value: bigint | undefined): number {
  return value === undefined || value === 0n ? Infinity : Number(value);
}
