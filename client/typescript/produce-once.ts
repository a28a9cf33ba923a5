import { randomUUID } from "node:crypto";
import type { ProduceResponse } from "../../proto/gen/forkbus/v1/queue.js";
import { Items } from "../../wire/items.js";
import { patienceMs } from "./cancellable-wait.js";
import type { Connection } from "./connection.js";
import { fromFailure } from "./errors.js";
import { ProduceStream } from "./produce-stream.js";
import { framesOf } from "./queue-streams.js";
import { repeatWhileUnavailable } from "./retry.js";
import { type Deadline, waitFor } from "./wait-options.js";

export interface LargePut {
  readonly queue: string;
  readonly item: Uint8Array;
  readonly deadline: Deadline;
  readonly signal: AbortSignal;
}

/**
 * Puts one item that is too large for a unary call, on a stream of its own. Exact when it is
 * aborted: the daemon is then asked whether the item was quicker, for five seconds.
 */
export async function produceOnce(connection: Connection, put: LargePut): Promise<void> {
  put.signal.throwIfAborted();
  const producerId = randomUUID();
  const attempt = (sends: boolean, signal: AbortSignal): Promise<boolean> =>
    unlessAborted(signal, () =>
      repeatWhileUnavailable(
        connection,
        () => attemptOnce(connection, put, { producerId, sends, signal }),
        signal,
      ),
    );
  if (await attempt(true, put.signal)) return;
  // Whatever was given up is not stored later: what the place says now is final.
  if (!(await attempt(false, AbortSignal.timeout(patienceMs)))) put.signal.throwIfAborted();
}

/** What it resolves to; false when it rejects with the signal's reason. */
async function unlessAborted(
  signal: AbortSignal,
  attempt: () => Promise<boolean>,
): Promise<boolean> {
  try {
    return await attempt();
  } catch (error) {
    if (signal.aborted && error === signal.reason) return false;
    throw error;
  }
}

interface Attempt {
  readonly producerId: string;
  /** Otherwise the answer says what became of it before. */
  readonly sends: boolean;
  /** Gives it up. */
  readonly signal: AbortSignal;
}

/** Whether the item is in the queue; false when it was given up. */
async function attemptOnce(
  connection: Connection,
  { queue, item, deadline }: LargePut,
  { producerId, sends, signal }: Attempt,
): Promise<boolean> {
  return await new Promise<boolean>((resolve, reject) => {
    const frames = sends ? framesOf(1, Items.of([item])) : [];
    const answer = ({ acceptedSeq, rejects }: ProduceResponse): void => {
      const failure = rejects[0]?.failure;
      if (failure !== undefined) reject(fromFailure(failure));
      else if (acceptedSeq > 0n) resolve(true);
      else if (!sends) resolve(false);
      else return;
      stop();
    };
    const send = (): void => {
      while (stream.mayWrite) {
        const frame = frames.shift();
        if (frame === undefined) return;
        stream.send(frame);
      }
    };
    const { waitMs } = waitFor(deadline);
    const stream = new ProduceStream(
      connection,
      { queue, producerId, waitMs, knownSeq: 0 },
      {
        opened: () => undefined,
        progress: (message) => {
          answer(message);
          send();
        },
        room: send,
        ended: (error) => {
          stop();
          reject(error);
        },
      },
    );
    const giveUp = (): void => {
      stop();
      resolve(false);
    };
    const stop = (): void => {
      signal.removeEventListener("abort", giveUp);
      stream[Symbol.dispose]();
    };
    signal.addEventListener("abort", giveUp);
    if (signal.aborted) giveUp();
  });
}
