import { randomUUID } from "node:crypto";
import type { Connection } from "./connection.js";
import { waitInBand } from "./cancellable-wait.js";
import { ForkbusError, QueueFull } from "./errors.js";
import { linkSignals } from "./link-signals.js";
import { produceOnce } from "./produce-once.js";
import { type FrameBounds, frames, largestFramedItem, largestItem } from "./queue-frames.js";
import { QueueProducer } from "./queue-producer.js";
import { repeatWhileUnavailable } from "./retry.js";
import { type Deadline, deadlineAfter, waitFor, type WaitOptions } from "./wait-options.js";

export interface PutterSetup {
  readonly connection: Connection;
  readonly queue: string;
  readonly bounds: FrameBounds;
  /** Whether a put waits when the queue is full. */
  readonly blocks: boolean;
  /** Ends all puts. */
  readonly closing: AbortSignal;
}

export interface PutManyOptions extends WaitOptions {
  /** Told how many more items are in the queue, each time. */
  readonly onPut?: (items: number) => void;
}

/**
 * Puts items in the way that keeps the promise and costs least: on the stream when there is nothing
 * to give up; else each frame by a call of its own, which can be given up exactly.
 */
export class QueuePutter {
  readonly #setup: PutterSetup;
  readonly #producer: QueueProducer;

  constructor(setup: PutterSetup) {
    this.#setup = setup;
    this.#producer = new QueueProducer(setup.connection, setup.queue, setup.closing);
  }

  async put(item: Uint8Array, options: WaitOptions): Promise<void> {
    if (this.#mayStream(options)) await this.#producer.put(item);
    else await this.#putCall([item], deadlineAfter(options.timeoutMs), options.signal);
  }

  async putMany(
    items: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    options: PutManyOptions,
  ): Promise<void> {
    if (this.#mayStream(options)) {
      await this.#putStream(items, options);
      return;
    }
    const deadline = deadlineAfter(options.timeoutMs);
    using linked = linkSignals(options.signal, this.#setup.closing);
    for await (const run of frames(items, this.#setup.bounds, linked.signal)) {
      await this.#putCall(run, deadline, options.signal);
      options.onPut?.(run.length);
    }
  }

  #mayStream({ timeoutMs, signal }: WaitOptions): boolean {
    return this.#setup.blocks && signal === undefined && deadlineAfter(timeoutMs) === undefined;
  }

  /** Sends frame after frame without waiting for the answers, which come in order. */
  async #putStream(
    items: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    { onPut }: PutManyOptions,
  ): Promise<void> {
    const failed = new AbortController();
    using linked = linkSignals(failed.signal, this.#setup.closing);
    let last: Promise<void> = Promise.resolve();
    for await (const run of frames(items, this.#setup.bounds, linked.signal)) {
      await this.#producer.room();
      failed.signal.throwIfAborted();
      const put = this.#producer.putRun(run, onPut);
      // Only the last one is waited for: whatever fails before it is thrown here, or stops the loop.
      last = Promise.all([last, put]).then(() => undefined);
      last.catch((error: unknown) => {
        failed.abort(error);
      });
      // What the queue can never hold is refused alone: nothing after it may be stored.
      if (!this.#canHold(run)) await last;
    }
    await last;
  }

  #canHold(run: readonly Uint8Array[]): boolean {
    const most = Math.min(this.#setup.bounds.maxBytes, largestItem);
    return run.length > 1 || (run[0]?.length ?? 0) <= most;
  }

  async #putCall(
    items: readonly Uint8Array[],
    deadline: Deadline,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { connection, queue, closing } = this.#setup;
    using linked = linkSignals(signal, closing);
    const [item] = items;
    if (item !== undefined && item.length > largestFramedItem) {
      await produceOnce(connection, { queue, item, deadline, signal: linked.signal });
      return;
    }
    const requestId = randomUUID();
    const frame = { items: [...items] };
    const putOnce = (): Promise<unknown> => {
      const request = { queue, requestId, frame, ...waitFor(deadline) };
      const put = (force: AbortSignal): Promise<unknown> =>
        connection.queues.put(request, { signal: force });
      return waitInBand(connection, request, put, linked.signal);
    };
    try {
      await repeatWhileUnavailable(connection, putOnce, linked.signal);
    } catch (error) {
      if (!(error instanceof ForkbusError && error.reason === "WAIT_CANCELLED")) throw error;
      linked.signal.throwIfAborted();
      const message = `No room came in time in the queue ${queue}`;
      throw new QueueFull(message, { code: "RESOURCE_EXHAUSTED", cause: error });
    }
  }
}
