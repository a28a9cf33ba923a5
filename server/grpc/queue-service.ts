import { createHash } from "node:crypto";
import * as proto from "../../proto/gen/forkbus/v1/queue.js";
import { type Items } from "../../wire/items.js";
import { principalName } from "../auth/principal.js";
import { DomainError } from "../core/errors.js";
import { parseLabels } from "../core/labels.js";
import { parseName, parseNamePrefix, parseRequestId } from "../core/names.js";
import { MAX_FRAMED_ITEM_BYTES } from "../queues/frame-limits.js";
import { type QueueTable } from "../queues/queue-table.js";
import { type CallContext } from "./call-context.js";
import { consume } from "./consume-call.js";
import { fromDelivered, fromFrame, largeItemBytes, toItems } from "./convert/frame.js";
import {
  fromEnd,
  fromQueue,
  toGetLimits,
  toQueueSpec,
  toSubscriberOptions,
  toSequence,
  toUntakenLimit,
} from "./convert/queue.js";
import { decodePageToken, encodePageToken, pageSize } from "./page-token.js";
import { produce } from "./produce-call.js";
import type {
  ConsumeResponse,
  GetResponse,
  ProduceRequest,
  PutRequest,
  QueueServiceWire,
  SubscribeResponse,
} from "./queue-codecs.js";
import { type Handlers } from "./service-shape.js";

/** Requests to calls of the queue table, and back: no decisions here. */
export class QueueService implements Handlers<typeof QueueServiceWire> {
  readonly #queues: QueueTable;

  constructor(queues: QueueTable) {
    this.#queues = queues;
  }

  readonly createQueue = async (
    { queue }: proto.CreateQueueRequest,
    { principal }: CallContext,
  ): Promise<proto.CreateQueueResponse> => {
    const name = queue?.name ?? "";
    const { queue: view, created } = this.#queues.create({
      name: name === "" ? undefined : parseName("name", name),
      owner: principalName(principal),
      labels: parseLabels("labels", Object.entries(queue?.labels ?? {})),
      spec: toQueueSpec(queue?.spec),
    });
    return Promise.resolve({ queue: fromQueue(view), created });
  };

  readonly getQueue = async ({ name }: proto.GetQueueRequest): Promise<proto.GetQueueResponse> => {
    const view = this.#queues.view(parseName("name", name));
    return Promise.resolve({ queue: fromQueue(view) });
  };

  readonly listQueues = async (
    request: proto.ListQueuesRequest,
  ): Promise<proto.ListQueuesResponse> => {
    const prefix = parseNamePrefix("name_prefix", request.namePrefix);
    const labels = parseLabels("labels", Object.entries(request.labels));
    const filter = ["queues", prefix, [...labels]];
    const { items, lastName } = this.#queues.list({
      prefix,
      labels,
      after: decodePageToken(filter, request.pageToken),
      pageSize: pageSize(request.pageSize),
    });
    const nextPageToken = encodePageToken(filter, lastName);
    return Promise.resolve({ queues: items.map(fromQueue), nextPageToken });
  };

  readonly deleteQueue = async (
    request: proto.DeleteQueueRequest,
  ): Promise<proto.DeleteQueueResponse> => {
    this.#queues.delete(parseName("name", request.name), {
      uid: request.uid === "" ? undefined : request.uid,
      onlyIfEmpty: request.onlyIfEmpty,
    });
    return Promise.resolve({});
  };

  readonly shutdownQueue = async ({
    name,
    immediate,
  }: proto.ShutdownQueueRequest): Promise<proto.ShutdownQueueResponse> => {
    const view = this.#queues.shutdown(parseName("name", name), immediate);
    return Promise.resolve({ queue: fromQueue(view) });
  };

  readonly put = async (
    request: PutRequest,
    { principal, signal }: CallContext,
  ): Promise<proto.PutResponse> => {
    const items = toItems(request.frame);
    const id = toRequestId(request.requestId);
    const firstSeq = await this.#queues.put({
      queue: parseName("queue", request.queue),
      caller: principalName(principal),
      items,
      waitMs: request.waitMs,
      request: id === undefined ? undefined : { id, digest: digestOf(items) },
      signal,
    });
    return { stored: items.count, firstSeq: BigInt(firstSeq) };
  };

  readonly get = async (request: proto.GetRequest, context: CallContext): Promise<GetResponse> => {
    const outcome = await this.#queues.get({
      queue: parseName("queue", request.queue),
      caller: principalName(context.principal),
      limits: toGetLimits(request),
      waitMs: request.waitMs,
      requestId: toRequestId(request.requestId),
      signal: context.signal,
    });
    if (outcome.kind === "none") {
      const backlog = BigInt(outcome.backlog);
      return { end: fromEnd(outcome.end), backlog, frame: undefined };
    }
    const { frame } = outcome;
    const largeBytes = largeItemBytes(frame);
    if (largeBytes !== undefined) {
      outcome.putBack();
      throw itemNeedsStream(largeBytes);
    }
    // Until it is written to the connection, it can go back to where it was.
    context.undeliverable(() => {
      outcome.putBack();
    });
    context.onDelivered(() => {
      outcome.taken();
    });
    const backlog = BigInt(frame.backlog);
    return { end: proto.GetEnd.UNSPECIFIED, backlog, frame: fromFrame(frame) };
  };

  readonly subscribe = (
    request: proto.SubscribeRequest,
    context: CallContext,
  ): AsyncIterable<SubscribeResponse> => this.#frames(request, context);

  readonly take = async (
    request: proto.TakeRequest,
    { principal }: CallContext,
  ): Promise<proto.TakeResponse> => {
    const caller = principalName(principal);
    const total = toSequence("taken_total", request.takenTotal);
    const taken = this.#queues.take(caller, request.subscriptionId, total);
    return Promise.resolve({ takenTotal: BigInt(taken) });
  };

  readonly cancelWait = async (
    { requestId }: proto.CancelWaitRequest,
    { principal }: CallContext,
  ): Promise<proto.CancelWaitResponse> => {
    const id = parseRequestId("request_id", requestId);
    return Promise.resolve({ found: this.#queues.cancelWait(principalName(principal), id) });
  };

  readonly produce = (
    requests: AsyncIterable<ProduceRequest>,
    context: CallContext,
  ): AsyncIterable<proto.ProduceResponse> => produce(this.#queues, requests, context);

  readonly consume = (
    requests: AsyncIterable<proto.ConsumeRequest>,
    { signal }: CallContext,
  ): AsyncIterable<ConsumeResponse> => consume(this.#queues, requests, signal);

  async *#frames(
    request: proto.SubscribeRequest,
    { principal, signal }: CallContext,
  ): AsyncGenerator<SubscribeResponse, void> {
    const queue = parseName("queue", request.queue);
    const caller = principalName(principal);
    const untaken = toUntakenLimit(request);
    using open = this.#queues.subscribe(queue, caller, toSubscriberOptions(request), untaken);
    const { id, subscription } = open;
    yield { ...noFrame, subscriptionId: id };
    for (;;) {
      const step = await subscription.next(signal);
      if (step.kind === "end") {
        yield { ...noFrame, end: fromEnd(step.end) };
        return;
      }
      // Cancelled since it came: closing gives it back.
      if (signal.aborted) return;
      if (!request.reportTaken) subscription.takeAll();
      const backlog = BigInt(step.frame.backlog);
      for (const frame of fromDelivered(step.frame)) yield { ...noFrame, backlog, frame };
    }
  }
}

const noFrame = {
  end: proto.GetEnd.UNSPECIFIED,
  backlog: 0n,
  subscriptionId: "",
  frame: undefined,
} as const satisfies SubscribeResponse;

function itemNeedsStream(bytes: number): DomainError {
  return new DomainError(
    "item-needs-stream",
    `The first item has ${bytes} bytes, a response at most ${MAX_FRAMED_ITEM_BYTES}; Subscribe and Consume give it in parts`,
    { facts: { bytes: String(bytes), max_bytes: String(MAX_FRAMED_ITEM_BYTES) } },
  );
}

function toRequestId(id: string): string | undefined {
  return id === "" ? undefined : parseRequestId("request_id", id);
}

/** Tells items apart by their bytes and by where each ends. */
function digestOf(items: Items): string {
  return createHash("sha256").update(items.encoded).digest("base64url");
}
