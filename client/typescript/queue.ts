import { setMaxListeners } from "node:events";
import {
  FullPolicy,
  type Queue as QueueMessage,
  type QueueStatus,
} from "../../proto/gen/forkbus/v1/queue.js";
import type { Connection } from "./connection.js";
import { ForkbusError, QueueEmpty } from "./errors.js";
import { type Codec, encodeItem } from "./queue-codec.js";
import type { FrameBounds } from "./queue-frames.js";
import { QueueGetter } from "./queue-getter.js";
import { type PutManyOptions, QueuePutter } from "./queue-putter.js";
import { repeatWhileUnavailable } from "./retry.js";
import { type SignalOption, type WaitOptions, withSignal } from "./wait-options.js";

export interface ItemsOptions extends SignalOption {
  /**
   * Most items that wait here for their turn, where no other consumer can have them. They go back to the queue when the
   * iteration ends. Default: from 64 to 1 024, as many as this consumer works off in 32 ms; 1 shares long work evenly.
   * At least 1.
   */
  readonly prefetch?: number;
}

export interface BatchOptions extends SignalOption {
  /** Most items of one batch. Default 1 024, at most 65 536. Four times as many may wait here for their turn. */
  readonly maxItems?: number;
}

export interface QueueSetup<T> {
  readonly connection: Connection;
  readonly message: QueueMessage;
  readonly codec: Codec<T>;
  /** Whether disposing the handle deletes the queue. */
  readonly owned: boolean;
}

const defaultBatchItems = 1024;
const mostBatchItems = 65_536;

/**
 * A handle of one queue, with the names of Python's `multiprocessing.Queue`. Items come out in the order in which they
 * were put, each at most once; they live in the daemon's memory, and are gone with it.
 *
 * Aborting a put or a get is exact: when the signal's reason is thrown, nothing was put or got; when the item was
 * quicker, the call returns as if there had been no abort. Puts are repeated when the connection breaks, and stored
 * once. Gets are not: after an UnavailableError the items of one answer may be lost.
 *
 * Puts without a signal and a timeout share a stream, on which many are under way at once and small ones travel
 * together; each is answered by itself. Two calls are in order when the second begins after the first was answered, or
 * when both are such puts.
 */
export class Queue<T> implements AsyncIterable<T>, AsyncDisposable {
  readonly name: string;
  readonly uid: string;
  readonly #connection: Connection;
  readonly #codec: Codec<T>;
  readonly #bounds: FrameBounds;
  readonly #owned: boolean;
  readonly #closing = new AbortController();
  readonly #putter: QueuePutter;
  readonly #getter: QueueGetter;

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
    this.#putter = new QueuePutter({
      connection,
      queue: this.name,
      bounds: this.#bounds,
      blocks: message.spec?.fullPolicy !== FullPolicy.REJECT,
      closing: this.#closing.signal,
    });
    this.#getter = new QueueGetter(connection, this.name, this.#closing.signal);
  }

  /** Puts one item. Waits for room; throws QueueFull when there is none in time, QueueShutDown when there never will. */
  async put(item: T, options: WaitOptions = {}): Promise<void> {
    await this.#putter.put(encodeItem(item, this.#codec), options);
  }

  /** Throws QueueFull unless there is room now. */
  async putNowait(item: T, options: SignalOption = {}): Promise<void> {
    await this.put(item, { ...options, timeoutMs: 0 });
  }

  /**
   * Puts many items in order, in as few messages as they fit in; items of others may come between two of those. The
   * time is for all of them. Items are asked for as they can be sent, so a source that is slow or has no end is no
   * problem. When it fails, the items before the first that failed are in the queue: `onPut` is told how many, each
   * time; none after it are, unless the daemon ran out of memory (HOST_EXHAUSTED) in between or the source failed.
   */
  async putMany(
    items: Iterable<T> | AsyncIterable<T>,
    options: PutManyOptions = {},
  ): Promise<void> {
    await this.#putter.putMany(encodeAll(items, this.#codec), options);
  }

  /** Gets one item. Throws QueueEmpty when none comes in time, QueueShutDown when none ever will. */
  async get(options: WaitOptions = {}): Promise<T> {
    const [item] = await this.#getter.get(1, options);
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
    const items = await this.#getter.get(max, options);
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
    const { prefetch, signal } = options;
    if (prefetch !== undefined && !(Number.isSafeInteger(prefetch) && prefetch >= 1)) {
      throw new RangeError(`A prefetch is at least 1 item, got ${prefetch}`);
    }
    for await (const item of this.#getter.items(prefetch, signal)) {
      yield this.#codec.decode(item);
    }
  }

  /**
   * Gets items in batches, which is the fastest way, until the queue is shut down and drained: each batch has what is
   * there, at least one item. A batch is taken from the queue as a whole before the loop sees it, so when this program
   * dies, the batch that it works on is lost with it; the next one too while each takes less than 10 ms, as it is then
   * taken ahead. Leaving the loop gives back what was not taken; what was comes first in the next get or loop.
   */
  async *batches(options: BatchOptions = {}): AsyncGenerator<T[], void, undefined> {
    const { maxItems = defaultBatchItems, signal } = options;
    if (!Number.isInteger(maxItems) || maxItems < 1 || maxItems > mostBatchItems) {
      throw new RangeError(`A batch has from 1 to ${mostBatchItems} items, got ${maxItems}`);
    }
    for await (const batch of this.#getter.batches(maxItems, signal)) {
      yield batch.map((item) => this.#codec.decode(item));
    }
  }

  /** Items that a get could have at once. By the time that it is known it may be different. */
  async size(options: SignalOption = {}): Promise<number> {
    const status = await this.#status(options);
    return Number(status?.ready ?? 0) + this.#getter.kept;
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

/** As iterable as the items are. */
function encodeAll<T>(
  items: Iterable<T> | AsyncIterable<T>,
  codec: Codec<T>,
): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
  return Symbol.iterator in items ? encodeEach(items, codec) : encodeNext(items, codec);
}

function* encodeEach<T>(items: Iterable<T>, codec: Codec<T>): Generator<Uint8Array, void> {
  for (const item of items) yield encodeItem(item, codec);
}

async function* encodeNext<T>(
  items: AsyncIterable<T>,
  codec: Codec<T>,
): AsyncGenerator<Uint8Array, void> {
  for await (const item of items) yield encodeItem(item, codec);
}

/** Zero means none. Limits are far below 2^53. */
function limit(value: bigint | undefined): number {
  return value === undefined || value === 0n ? Infinity : Number(value);
}
