import { Status } from "nice-grpc";
import {
  type ConsumeRequest,
  type ConsumeResponse,
  type DeepPartial,
  GetEnd,
} from "../../proto/gen/forkbus/v1/queue.js";
import { FakeFailure } from "./fake-daemon-failure.js";
import { type FakeQueue } from "./fake-queue.js";
import { until } from "./fake-daemon-until.js";

/** An item above this travels in parts. */
export const framedItemBytes = 1_048_512;

interface Consumed {
  readonly goingAway: boolean;
  queue(name: string): FakeQueue;
}

/** One Consume stream: what it may be sent, was sent, and has taken. */
class FakeConsumer {
  readonly untaken: Uint8Array[] = [];
  sent = 0n;
  sentBytes = 0n;
  taken = 0n;
  #items = 0n;
  #bytes: bigint | undefined = 0n;
  #failure: Error | undefined;
  #halfClosed = false;

  act({ credit, takenTotal }: ConsumeRequest): void {
    if (takenTotal > this.sent) throw invalid(`taken_total is ${takenTotal} of ${this.sent}`);
    if (takenTotal > this.taken) {
      this.untaken.splice(0, Number(takenTotal - this.taken));
      this.taken = takenTotal;
    }
    if (credit === undefined) return;
    if (credit.itemsTotal > this.#items) this.#items = credit.itemsTotal;
    if (credit.bytesTotal === 0n) this.#bytes = undefined;
    else if (this.#bytes !== undefined && credit.bytesTotal > this.#bytes) {
      this.#bytes = credit.bytesTotal;
    }
  }

  async read(requests: AsyncIterator<ConsumeRequest>): Promise<void> {
    try {
      for (;;) {
        const next = await requests.next();
        if (next.done === true) break;
        if (next.value.open !== undefined) throw invalid("a second open");
        this.act(next.value);
      }
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
    }
    this.#halfClosed = true;
  }

  /** Whether the client has half-closed; throws what was wrong with its requests. */
  get ended(): boolean {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#halfClosed;
  }

  get room(): { readonly items: number; readonly bytes: number } {
    const bytes = this.#bytes === undefined ? Infinity : Number(this.#bytes - this.sentBytes);
    return { items: Number(this.#items - this.sent), bytes };
  }

  get hasRoom(): boolean {
    return this.room.items > 0 && this.room.bytes > 0;
  }

  send(items: readonly Uint8Array[]): void {
    this.untaken.push(...items);
    this.sent += BigInt(items.length);
    for (const item of items) this.sentBytes += BigInt(item.length);
  }
}

/** Answers one Consume stream. */
export async function* fakeConsume(
  queues: Consumed,
  requests: AsyncIterable<ConsumeRequest>,
  signal: AbortSignal,
): AsyncGenerator<DeepPartial<ConsumeResponse>, void> {
  const iterator = requests[Symbol.asyncIterator]();
  const first = await iterator.next();
  const open = first.done === true ? undefined : first.value.open;
  if (first.done === true || open === undefined) throw invalid("no open");
  const queue = queues.queue(open.queue);
  const consumer = new FakeConsumer();
  queue.consumers.add(consumer);
  try {
    consumer.act(first.value);
    void consumer.read(iterator);
    let confirmed = 0n;
    for (;;) {
      const over = (): boolean =>
        queue.deleted ||
        queues.goingAway ||
        (queue.shutDown && queue.items.length + queue.untaken === 0);
      const ready = (): boolean => consumer.hasRoom && queue.items.length > 0;
      await until(
        () => consumer.ended || over() || ready() || consumer.taken > confirmed,
        undefined,
        signal,
      );
      const takenTotal = consumer.taken > confirmed ? consumer.taken : 0n;
      confirmed = consumer.taken;
      const end = over() ? endOf(queue, queues) : undefined;
      if (end !== undefined || consumer.ended) {
        if (end !== undefined || takenTotal > 0n) yield { end: end ?? 0, takenTotal };
        return;
      }
      const items = ready() ? takeFrame(queue, consumer, open.maxFrameItems || 1024) : [];
      consumer.send(items);
      yield* responses(queue, items, takenTotal);
    }
  } finally {
    queue.consumers.delete(consumer);
    queue.putBack(consumer.untaken);
  }
}

function takeFrame(queue: FakeQueue, { room }: FakeConsumer, maxItems: number): Uint8Array[] {
  return queue.takeFirst(Math.min(maxItems, room.items), Math.min(262_144, room.bytes));
}

function* responses(
  queue: FakeQueue,
  items: readonly Uint8Array[],
  takenTotal: bigint,
): Generator<DeepPartial<ConsumeResponse>, void> {
  const [item] = items;
  const backlog = BigInt(queue.items.length);
  if (item === undefined) {
    yield { takenTotal };
    return;
  }
  const firstSeq = queue.seqOf(item);
  if (item.length <= framedItemBytes) {
    yield { takenTotal, backlog, frame: { firstSeq, count: items.length, items: [...items] } };
    return;
  }
  for (let offset = 0; offset < item.length; offset += 1_000_000) {
    const part = { offset: BigInt(offset), itemBytes: BigInt(item.length) };
    const piece = item.subarray(offset, offset + 1_000_000);
    yield {
      takenTotal: offset === 0 ? takenTotal : 0n,
      backlog,
      frame: { firstSeq, count: 1, part, items: [piece] },
    };
  }
}

function endOf(queue: FakeQueue, { goingAway }: Consumed): GetEnd {
  if (queue.deleted) return GetEnd.DELETED;
  return goingAway ? GetEnd.GOAWAY : GetEnd.SHUT_DOWN;
}

function invalid(message: string): FakeFailure {
  return new FakeFailure(Status.INVALID_ARGUMENT, "INVALID_FIELD", message);
}
