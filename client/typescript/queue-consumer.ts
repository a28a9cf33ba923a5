import { GetEnd } from "../../proto/gen/forkbus/v1/queue.js";
import type { Connection } from "./connection.js";
import { type ForkbusError, NotFoundError, UnavailableError } from "./errors.js";
import { Outage, repeatWhileUnavailable } from "./retry.js";
import { withSignal } from "./wait-options.js";

export interface ConsumerOptions {
  readonly queue: string;
  /** Most items that lie here without having been taken. They come back to the queue when this consumer goes away. */
  readonly prefetch: number;
  readonly signal: AbortSignal | undefined;
  /** Gets the items that were taken and not handed on when the iteration ends early. */
  readonly keep: (items: readonly Uint8Array[]) => void;
}

/** Most items that are taken before they are handed on, which is what the death of this program can lose. */
const largestChunk = 32;
const quickMs = 10;

/**
 * Hands on the items of a queue, each after the daemon has confirmed that it is taken, until the queue is shut down and
 * drained. Items are taken in chunks, one at first; the chunks double up to 32 while each is worked off within 10 ms,
 * and shrink again, so that a slow consumer holds little and a fast one does not wait for each.
 *
 * When the connection breaks, what was not taken is the queue's again, and a new subscription is made.
 */
export async function* consume(
  connection: Connection,
  options: ConsumerOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { queue, prefetch, signal } = options;
  const request = {
    queue,
    reportTaken: true,
    maxUntakenItems: prefetch,
    maxFrameItems: prefetch,
  };
  const outage = new Outage(connection);
  let chunkItems = 1;
  for (;;) {
    outage.attempt();
    try {
      let subscriptionId = "";
      let takenTotal = 0n;
      for await (const response of connection.queues.subscribe(request, withSignal(signal))) {
        outage.over();
        if (response.subscriptionId !== "") subscriptionId = response.subscriptionId;
        if (isOver(response.end, queue)) return;
        const items = response.frame?.items ?? [];
        for (let index = 0; index < items.length;) {
          const chunk = items.slice(index, index + chunkItems);
          index += chunk.length;
          takenTotal += BigInt(chunk.length);
          await take(connection, subscriptionId, takenTotal);
          const began = performance.now();
          yield* handOn(chunk, options);
          const quick = performance.now() - began < quickMs;
          chunkItems = quick ? Math.min(chunkItems * 2, largestChunk) : Math.ceil(chunkItems / 2);
        }
      }
      throw endedEarly(queue);
    } catch (error) {
      await outage.pause(error, signal, maySubscribeAgain);
    }
  }
}

/** Not abortable: after the request is sent the items may be ours, and then must not be forgotten. */
async function take(
  connection: Connection,
  subscriptionId: string,
  takenTotal: bigint,
): Promise<void> {
  await repeatWhileUnavailable(connection, () =>
    connection.queues.take({ subscriptionId, takenTotal }),
  );
}

function* handOn(
  chunk: readonly Uint8Array[],
  { signal, keep }: ConsumerOptions,
): Generator<Uint8Array, void, undefined> {
  let next = 0;
  try {
    for (const item of chunk) {
      signal?.throwIfAborted();
      next++;
      yield item;
    }
  } finally {
    if (next < chunk.length) keep(chunk.slice(next));
  }
}

/** True when the stream has ended for good; throws when it has to be opened again. */
function isOver(end: GetEnd, queue: string): boolean {
  switch (end) {
    case GetEnd.SHUT_DOWN:
    case GetEnd.LIMIT:
      return true;
    case GetEnd.DELETED:
      throw new NotFoundError(`The queue ${queue} was deleted`, {
        code: "NOT_FOUND",
        details: { reason: "QUEUE_DELETED", metadata: {}, retryAfterMs: undefined },
      });
    case GetEnd.GOAWAY:
      throw endedEarly(queue);
    case GetEnd.UNSPECIFIED:
    case GetEnd.EMPTY:
    case GetEnd.CANCELLED:
    case GetEnd.UNRECOGNIZED:
      return false;
  }
}

function endedEarly(queue: string): UnavailableError {
  return new UnavailableError(`The daemon ended the stream of the queue ${queue}`, {
    code: "UNAVAILABLE",
  });
}

function maySubscribeAgain(error: ForkbusError): boolean {
  return error.code === "UNAVAILABLE" || error.reason === "SUBSCRIPTION_NOT_FOUND";
}
