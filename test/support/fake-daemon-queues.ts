import { randomUUID } from "node:crypto";
import { type CallContext, Status } from "nice-grpc";
import {
  type CancelWaitRequest,
  type CancelWaitResponse,
  type ConsumeRequest,
  type ConsumeResponse,
  type CreateQueueRequest,
  type CreateQueueResponse,
  type DeepPartial,
  type DeleteQueueRequest,
  type DeleteQueueResponse,
  GetEnd,
  type GetQueueRequest,
  type GetQueueResponse,
  type GetRequest,
  type GetResponse,
  type ListQueuesResponse,
  type ProduceRequest,
  type ProduceResponse,
  type PutRequest,
  type PutResponse,
  Queue,
  type QueueServiceImplementation,
  type ShutdownQueueRequest,
  type ShutdownQueueResponse,
} from "../../proto/gen/forkbus/v1/queue.js";
import { FakeFailure } from "./fake-daemon-failure.js";
import { fakeConsume } from "./fake-daemon-consume.js";
import { type FakeProducer, fakeProduce, type FakeWindow } from "./fake-daemon-produce.js";
import { FakeQueue } from "./fake-queue.js";
import { until } from "./fake-daemon-until.js";

/** The queue service over arrays. Waiters look again and again instead of standing in line. */
export class FakeQueues implements QueueServiceImplementation {
  readonly queues = new Map<string, FakeQueue>();
  /** By producer id; those without one are not remembered. */
  readonly producers = new Map<string, FakeProducer>();
  /** What producers may have under way. */
  window: FakeWindow = { items: 1024, bytes: 1024 * 1024 };
  /** Set to end Produce and Consume streams as a daemon does that stops. */
  goingAway = false;
  /** Request ids of puts that were stored. */
  readonly #stored = new Set<string>();
  readonly #waiting = new Map<string, { cancelled: boolean }>();

  createQueue({ queue }: CreateQueueRequest): Promise<DeepPartial<CreateQueueResponse>> {
    const name = queue?.name ?? "";
    const known = this.queues.get(name);
    if (known !== undefined) return Promise.resolve({ queue: known.message, created: false });
    const made = new FakeQueue(Queue.create({ ...queue, uid: randomUUID() }));
    this.queues.set(name, made);
    return Promise.resolve({ queue: made.message, created: true });
  }

  getQueue({ name }: GetQueueRequest): Promise<DeepPartial<GetQueueResponse>> {
    const { message, items, untaken, consumers, producers } = this.queue(name);
    const storedBytes = items.reduce((sum, item) => sum + item.length, 0);
    const status = {
      ready: BigInt(items.length),
      untaken: BigInt(untaken),
      storedBytes: BigInt(storedBytes),
      consumers: consumers.size,
      producers,
    };
    return Promise.resolve({ queue: { ...message, status } });
  }

  listQueues(): Promise<DeepPartial<ListQueuesResponse>> {
    return Promise.resolve({ queues: [...this.queues.values()].map(({ message }) => message) });
  }

  deleteQueue({ name }: DeleteQueueRequest): Promise<DeleteQueueResponse> {
    const queue = this.queues.get(name);
    if (queue !== undefined) queue.deleted = true;
    this.queues.delete(name);
    return Promise.resolve({});
  }

  shutdownQueue({
    name,
    immediate,
  }: ShutdownQueueRequest): Promise<DeepPartial<ShutdownQueueResponse>> {
    const queue = this.queue(name);
    queue.shutDown = true;
    if (immediate) queue.clear();
    return Promise.resolve({ queue: queue.message });
  }

  async put(request: PutRequest, context: CallContext): Promise<DeepPartial<PutResponse>> {
    const queue = this.queue(request.queue);
    const items = request.frame?.items ?? [];
    if (this.#stored.has(request.requestId)) return { stored: items.length };
    const maxItems = Number(queue.message.spec?.maxItems ?? 0n) || Infinity;
    const outcome = await this.#wait(request, context, () => {
      if (queue.shutDown) throw shutDown();
      return queue.items.length + queue.untaken + items.length <= maxItems;
    });
    if (outcome === "cancelled") {
      throw new FakeFailure(Status.ABORTED, "WAIT_CANCELLED", "The wait was given up");
    }
    if (outcome === "timeout") {
      throw new FakeFailure(Status.RESOURCE_EXHAUSTED, "QUEUE_FULL", `${request.queue} is full`);
    }
    queue.items.push(...items);
    this.#stored.add(request.requestId);
    return { stored: items.length };
  }

  async get(request: GetRequest, context: CallContext): Promise<DeepPartial<GetResponse>> {
    const queue = this.queue(request.queue);
    const outcome = await this.#wait(request, context, () => {
      if (queue.items.length > 0) return true;
      if (queue.shutDown) throw shutDown();
      return false;
    });
    if (outcome === "cancelled") return { end: GetEnd.CANCELLED };
    if (outcome === "timeout") return { end: GetEnd.EMPTY };
    const items = queue.items.splice(0, request.maxItems || 1);
    return { frame: { items } };
  }

  async *produce(
    requests: AsyncIterable<ProduceRequest>,
    { signal }: CallContext,
  ): AsyncGenerator<DeepPartial<ProduceResponse>> {
    yield* fakeProduce(this, requests, signal);
  }

  async *consume(
    requests: AsyncIterable<ConsumeRequest>,
    { signal }: CallContext,
  ): AsyncGenerator<DeepPartial<ConsumeResponse>> {
    yield* fakeConsume(this, requests, signal);
  }

  /** Is for simple clients: those here use Consume. */
  subscribe(): never {
    throw notServed("Subscribe");
  }

  take(): never {
    throw notServed("Take");
  }

  cancelWait({ requestId }: CancelWaitRequest): Promise<DeepPartial<CancelWaitResponse>> {
    const waiting = this.#waiting.get(requestId);
    if (waiting !== undefined) waiting.cancelled = true;
    return Promise.resolve({ found: waiting !== undefined });
  }

  /** Calls that wait now. */
  get waiting(): number {
    return this.#waiting.size;
  }

  queue(name: string): FakeQueue {
    const queue = this.queues.get(name);
    if (queue === undefined) {
      throw new FakeFailure(Status.NOT_FOUND, "QUEUE_NOT_FOUND", `No queue ${name}`);
    }
    return queue;
  }

  async #wait(
    { requestId, waitMs }: { readonly requestId: string; readonly waitMs?: number | undefined },
    { signal }: CallContext,
    condition: () => boolean,
  ): Promise<"met" | "timeout" | "cancelled"> {
    const waiting = { cancelled: false };
    this.#waiting.set(requestId, waiting);
    try {
      const look = (): "met" | "cancelled" | undefined => {
        if (condition()) return "met";
        return waiting.cancelled ? "cancelled" : undefined;
      };
      await until(() => look() !== undefined, waitMs, signal);
      return look() ?? "timeout";
    } finally {
      this.#waiting.delete(requestId);
    }
  }
}

function shutDown(): FakeFailure {
  return new FakeFailure(Status.FAILED_PRECONDITION, "QUEUE_SHUT_DOWN", "The queue is shut down");
}

function notServed(method: string): FakeFailure {
  return new FakeFailure(Status.UNIMPLEMENTED, "", `A fake daemon has no ${method}`);
}
