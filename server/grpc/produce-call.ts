import { setImmediate, setTimeout as delay } from "node:timers/promises";
import type * as proto from "../../proto/gen/forkbus/v1/queue.js";
import { principalName } from "../auth/principal.js";
import { invalidField } from "../core/errors.js";
import { parseName, parseRequestId } from "../core/names.js";
import { type Producer, type ProducerEnd } from "../queues/producer.js";
import { closedError, producerFenced } from "../queues/queue-errors.js";
import { type QueueTable } from "../queues/queue-table.js";
import { type CallContext } from "./call-context.js";
import { toProducedFrame } from "./convert/frame.js";
import { toSequence } from "./convert/queue.js";
import { fromProgress } from "./convert/producer.js";
import { type ProduceRequest } from "./queue-codecs.js";
import { RequestLoop } from "./request-loop.js";

/**
 * How long the news of some items waits for that of others while the producer can go on without it.
 * A client that does not read, because it is busy or writes itself, is then sent 50 answers a
 * second: some hundreds would fill its socket, and a connection whose socket is full is not read.
 */
const COMPANY_MS = 20;

/**
 * Answers one Produce stream. What is told of the frames is put together as late as possible: one
 * response for all that came since the one before was written.
 */
export async function* produce(
  queues: QueueTable,
  requests: AsyncIterable<ProduceRequest>,
  { principal, signal }: CallContext,
): AsyncGenerator<proto.ProduceResponse, void> {
  const iterator = requests[Symbol.asyncIterator]();
  const open = requireOpen(await iterator.next());
  const queue = parseName("open.queue", open.queue);
  const id = open.producerId;
  using opened = queues.produce({
    queue,
    caller: principalName(principal),
    producerId: id === "" ? undefined : parseRequestId("open.producer_id", id),
    waitMs: open.waitMs,
    knownSeq: toSequence("open.known_seq", open.knownSeq),
  });
  const { producer } = opened;
  yield { ...fromProgress(producer.progress()), resumeSeq: BigInt(producer.nextSeq) };
  const loop = new RequestLoop(
    iterator,
    (request) => {
      putFrame(producer, request);
    },
    () => {
      producer.wake();
    },
  );
  for (;;) {
    await producer.changed(signal);
    // What arrived together is answered together.
    await setImmediate();
    if (!producer.isUrgent) await delay(COMPANY_MS, undefined, { signal });
    if (producer.end !== undefined) {
      const farewell = endOf(producer.end, queue);
      if (farewell !== undefined) throw farewell;
      yield { ...fromProgress(producer.progress()), goaway: true };
      return;
    }
    const ended = loop.check();
    const progress = producer.progress();
    const done = ended && producer.idle;
    yield fromProgress(progress);
    if (done) return;
  }
}

function requireOpen(first: IteratorResult<ProduceRequest, unknown>): proto.ProduceOpen {
  const request = first.done === true ? undefined : first.value;
  if (request?.open !== undefined && request.frame === undefined) return request.open;
  throw invalidField("open", "", "The first request of a Produce stream has `open` and no frame");
}

function putFrame(producer: Producer, { open, frame }: ProduceRequest): void {
  if (open !== undefined)
    throw invalidField("open", open.queue, "Only the first request has `open`");
  if (frame === undefined)
    throw invalidField("frame", "", "A request without a frame says nothing");
  producer.put(toProducedFrame(frame));
}

/** The error that the stream ends with; undefined when it ends with `goaway`. */
function endOf(end: ProducerEnd, queue: string): Error | undefined {
  switch (end) {
    case "fenced":
      return producerFenced();
    case "deleted":
      return closedError(queue, end);
    case "stopping":
      return undefined;
  }
}
