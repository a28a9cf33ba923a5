import * as proto from "../../proto/gen/forkbus/v1/queue.js";
import { invalidField } from "../core/errors.js";
import { parseName } from "../core/names.js";
import { type QueueTable } from "../queues/queue-table.js";
import { type Subscription } from "../queues/subscription.js";
import { fromDelivered } from "./convert/frame.js";
import { fromEnd, toConsumerOptions, toCredit, toSequence } from "./convert/queue.js";
import { type ConsumeResponse } from "./queue-codecs.js";
import { RequestLoop } from "./request-loop.js";

/**
 * Answers one Consume stream. A frame is asked for when the one before has been written, and holds
 * what came meanwhile; what was taken meanwhile is confirmed in the same response.
 */
export async function* consume(
  queues: QueueTable,
  requests: AsyncIterable<proto.ConsumeRequest>,
  signal: AbortSignal,
): AsyncGenerator<ConsumeResponse, void> {
  const iterator = requests[Symbol.asyncIterator]();
  const first = await iterator.next();
  const open = first.done === true ? undefined : first.value.open;
  if (first.done === true || open === undefined) {
    throw invalidField("open", "", "The first request of a Consume stream has `open`");
  }
  const queue = parseName("open.queue", open.queue);
  using subscription = queues.consume(queue, toConsumerOptions(open));
  act(subscription, { ...first.value, open: undefined });
  const loop = new RequestLoop(
    iterator,
    (request) => {
      act(subscription, request);
    },
    () => {
      subscription.wake();
    },
  );
  let confirmed = 0;
  for (;;) {
    const ended = loop.check();
    const step = ended ? undefined : subscription.poll();
    const { taken } = subscription;
    const takenTotal = taken > confirmed ? BigInt(taken) : 0n;
    confirmed = taken;
    if (step?.kind === "frame") {
      const backlog = BigInt(step.frame.backlog);
      let total = takenTotal;
      for (const frame of fromDelivered(step.frame)) {
        yield { ...nothing, takenTotal: total, backlog, frame };
        total = 0n;
      }
    } else if (step?.kind === "end") {
      yield { ...nothing, takenTotal, end: fromEnd(step.end) };
      return;
    } else if (takenTotal > 0n) yield { ...nothing, takenTotal };
    else if (ended) return;
    else await subscription.changed(signal);
  }
}

const nothing = {
  end: proto.GetEnd.UNSPECIFIED,
  backlog: 0n,
  takenTotal: 0n,
  frame: undefined,
} as const satisfies ConsumeResponse;

function act(subscription: Subscription, request: proto.ConsumeRequest): void {
  const { open, credit, takenTotal } = request;
  if (open !== undefined)
    throw invalidField("open", open.queue, "Only the first request has `open`");
  const total = toSequence("taken_total", takenTotal);
  // Zero is not said; what ended meanwhile has its own way to be told.
  if (total > 0 && subscription.take(total) === undefined) return;
  if (credit !== undefined) subscription.grant(toCredit(credit));
}
