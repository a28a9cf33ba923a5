import { randomUUID } from "node:crypto";
import type { ProduceResponse } from "../../proto/gen/forkbus/v1/queue.js";
import { Items } from "../../wire/items.js";
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
 * aborted: the daemon is then asked whether the item was quicker.
 */
export async function produceOnce(connection: Connection, put: LargePut): Promise<void> {
  const producerId = randomUUID();
  const attempt = (signal: AbortSignal | undefined): Promise<boolean> =>
    repeatWhileUnavailable(connection, () => attemptOnce(connection, put, producerId, signal));
  if (await attempt(put.signal)) return;
  // Whatever was given up is not stored later: what the place says now is final.
  if (!(await attempt(undefined))) put.signal.throwIfAborted();
}

/**
 * Whether the item is in the queue; false when it was given up. Without a signal nothing is sent,
 * and the answer says what became of it before.
 */
async function attemptOnce(
  connection: Connection,
  { queue, item, deadline }: LargePut,
  producerId: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  return await new Promise<boolean>((resolve, reject) => {
    const frames = framesOf(1, Items.of([item]));
    const answer = ({ acceptedSeq, rejects }: ProduceResponse): void => {
      const failure = rejects[0]?.failure;
      if (failure !== undefined) reject(fromFailure(failure));
      else if (acceptedSeq > 0n) resolve(true);
      else if (signal === undefined) resolve(false);
      else return;
      stop();
    };
    const send = (): void => {
      while (signal !== undefined && stream.mayWrite) {
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
      signal?.removeEventListener("abort", giveUp);
      stream[Symbol.dispose]();
    };
    signal?.addEventListener("abort", giveUp);
  });
}
