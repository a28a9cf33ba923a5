import { GetEnd } from "../../proto/gen/forkbus/v1/queue.js";
import type { Connection } from "./connection.js";
import type { ConsumePace } from "./consume-pace.js";
import { ConsumeStream, type StreamEnd } from "./consume-stream.js";
import { NotFoundError, UnavailableError } from "./errors.js";
import { Outage } from "./retry.js";

export interface ConsumerOptions {
  readonly queue: string;
  readonly pace: ConsumePace;
  readonly signal: AbortSignal | undefined;
  /** Gets the items that were taken and not handed on when the iteration ends early; they follow all that was handed on. */
  readonly keep: (items: readonly Uint8Array[]) => void;
}

/**
 * Hands on the items of a queue in chunks, each after the daemon has confirmed that it is taken, until the queue is
 * shut down and drained. The time until the next chunk is asked for is what the pace learns from.
 *
 * When the connection breaks, what was not taken is the queue's again, and a new stream is opened.
 */
export async function* consume(
  connection: Connection,
  options: ConsumerOptions,
): AsyncGenerator<readonly Uint8Array[], void, undefined> {
  const { queue, pace, signal } = options;
  const outage = new Outage(connection);
  for (;;) {
    outage.attempt();
    signal?.throwIfAborted();
    using stream = new ConsumeStream(connection, queue, pace.window, () => {
      outage.over();
    });
    yield* chunks(stream, options);
    signal?.throwIfAborted();
    const error = failureOf(stream.end, queue);
    if (error === undefined) return;
    await outage.pause(error, signal);
  }
}

async function* chunks(
  stream: ConsumeStream,
  { pace, signal, keep }: ConsumerOptions,
): AsyncGenerator<readonly Uint8Array[], void, undefined> {
  const close = (): void => {
    stream.close();
  };
  signal?.addEventListener("abort", close);
  let ahead: Promise<readonly Uint8Array[]> | undefined;
  try {
    for (;;) {
      stream.widen(pace.window);
      const chunk = await (ahead ?? stream.take(pace.chunkItems));
      ahead = undefined;
      if (chunk.length === 0) return;
      if (signal?.aborted === true) {
        keep(chunk);
        return;
      }
      if (pace.takesAhead) ahead = stream.take(pace.chunkItems);
      const began = performance.now();
      yield chunk;
      pace.workedOff(performance.now() - began);
    }
  } finally {
    signal?.removeEventListener("abort", close);
    // A take that waits for items must not wait for ever.
    stream.close();
    if (ahead !== undefined) keep(await ahead);
  }
}

/** Why the stream ended; undefined when it has given all that there ever will be. */
export function failureOf(end: StreamEnd | undefined, queue: string): unknown {
  if (end?.kind === "failed") return end.error;
  if (end?.end === GetEnd.SHUT_DOWN) return undefined;
  if (end?.end === GetEnd.DELETED) {
    return new NotFoundError(`The queue ${queue} was deleted`, {
      code: "NOT_FOUND",
      details: { reason: "QUEUE_DELETED", metadata: {}, retryAfterMs: undefined },
    });
  }
  const message = `The daemon ended the stream of the queue ${queue}`;
  return new UnavailableError(message, { code: "UNAVAILABLE" });
}
