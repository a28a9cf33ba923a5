import * as proto from "../../proto/gen/forkbus/v1/queue.js";
import type { Items } from "../../wire/items.js";
import { partsOf } from "../../wire/large-item.js";
import { frameCodec, type OutgoingFrame, type Spliced, type Splicing } from "../../wire/message.js";
import type { DuplexMethod } from "./duplex-call.js";
import { largestFramedItem } from "./queue-frames.js";

/** The two streams of a queue, with items as they travel. */
const produceRequest = frameCodec(proto.ProduceRequest);
const consumeResponse = frameCodec(proto.ConsumeResponse);

export const produceMethod: DuplexMethod<Splicing<proto.ProduceRequest>, proto.ProduceResponse> = {
  path: `/${proto.QueueServiceDefinition.fullName}/Produce`,
  bulk: "up",
  encode: (request) => produceRequest.encode(request).finish(),
  decode: (bytes) => proto.ProduceResponse.decode(bytes),
};

export const consumeMethod: DuplexMethod<proto.ConsumeRequest, Spliced<proto.ConsumeResponse>> = {
  path: `/${proto.QueueServiceDefinition.fullName}/Consume`,
  bulk: "down",
  encode: (request) => proto.ConsumeRequest.encode(request).finish(),
  decode: (bytes) => consumeResponse.decode(bytes),
};

/** A frame with a part has this much more of headers. */
const partHeaderBytes = 32;

/** Items as they go to Produce: in one frame, or a single large one in parts. */
export function framesOf(firstSeq: number, items: Items): OutgoingFrame[] {
  if (items.count > 1 || items.bytes <= largestFramedItem) return [{ firstSeq, rows: [items] }];
  const parts = partsOf(items, largestFramedItem - partHeaderBytes);
  return Array.from(parts, ({ part, items: piece }) => ({ firstSeq, part, rows: [piece] }));
}
