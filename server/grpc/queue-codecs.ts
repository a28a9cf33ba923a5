import * as proto from "../../proto/gen/forkbus/v1/queue.js";
import { frameCodec } from "../../wire/message.js";

const { methods } = proto.QueueServiceDefinition;

/**
 * The queue service with messages whose items stay as they travel: they are counted and split, and
 * never decoded. See wire/items.ts.
 */
export const QueueServiceWire = {
  ...proto.QueueServiceDefinition,
  methods: {
    ...methods,
    put: { ...methods.put, requestType: frameCodec(proto.PutRequest) },
    get: { ...methods.get, responseType: frameCodec(proto.GetResponse) },
    subscribe: { ...methods.subscribe, responseType: frameCodec(proto.SubscribeResponse) },
    produce: { ...methods.produce, requestType: frameCodec(proto.ProduceRequest) },
    consume: { ...methods.consume, responseType: frameCodec(proto.ConsumeResponse) },
  },
} as const;

export type PutRequest = ReturnType<typeof QueueServiceWire.methods.put.requestType.decode>;
export type GetResponse = Parameters<typeof QueueServiceWire.methods.get.responseType.encode>[0];
export type SubscribeResponse = Parameters<
  typeof QueueServiceWire.methods.subscribe.responseType.encode
>[0];
export type ProduceRequest = ReturnType<typeof QueueServiceWire.methods.produce.requestType.decode>;
export type ConsumeResponse = Parameters<
  typeof QueueServiceWire.methods.consume.responseType.encode
>[0];
