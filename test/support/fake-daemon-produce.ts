import { Status } from "nice-grpc";
import { ErrorReason } from "../../proto/gen/forkbus/v1/error.js";
import { type Frame } from "../../proto/gen/forkbus/v1/frame.js";
import {
  type DeepPartial,
  FullPolicy,
  type ProduceOpen,
  type ProduceRequest,
  type ProduceResponse,
  Reject,
} from "../../proto/gen/forkbus/v1/queue.js";
import { FakeFailure } from "./fake-daemon-failure.js";
import { type FakeQueue } from "./fake-queue.js";
import { until } from "./fake-daemon-until.js";

/** How much a producer may have under way. */
export interface FakeWindow {
  readonly items: number;
  readonly bytes: number;
}

/** What is known of a producer across its streams. */
export class FakeProducer {
  acceptedSeq = 0n;
  readonly rejects: Reject[] = [];
  /** The stream that is open. */
  stream: object | undefined;
}

interface Produced {
  readonly producers: Map<string, FakeProducer>;
  readonly window: FakeWindow;
  readonly goingAway: boolean;
  queue(name: string): FakeQueue;
}

interface Waiting {
  readonly item: Uint8Array;
  readonly since: number;
}

type Refusal = "ITEM_TOO_LARGE" | "QUEUE_FULL" | "QUEUE_SHUT_DOWN";

const codes = {
  ITEM_TOO_LARGE: Status.INVALID_ARGUMENT,
  QUEUE_FULL: Status.RESOURCE_EXHAUSTED,
  QUEUE_SHUT_DOWN: Status.FAILED_PRECONDITION,
} as const satisfies Record<Refusal, Status>;

/** One Produce stream, which stores item by item as room comes up. */
class FakeProduceStream {
  readonly producer: FakeProducer;
  readonly #queue: FakeQueue;
  readonly #open: ProduceOpen;
  readonly #window: FakeWindow;
  readonly #waiting: Waiting[] = [];
  #parts: Uint8Array[] = [];
  #lastSeq: bigint;
  #receivedBytes = 0;
  #windowBytes = 0;
  #failure: Error | undefined;
  #halfClosed = false;

  constructor(producer: FakeProducer, queue: FakeQueue, open: ProduceOpen, window: FakeWindow) {
    this.producer = producer;
    this.#queue = queue;
    this.#open = open;
    this.#window = window;
    this.#lastSeq = producer.acceptedSeq;
    producer.stream = this;
  }

  async read(requests: AsyncIterator<ProduceRequest>): Promise<void> {
    try {
      for (;;) {
        const next = await requests.next();
        if (next.done === true) break;
        if (next.value.frame === undefined) throw invalid("no frame");
        this.#take(next.value.frame);
      }
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
    }
    this.#halfClosed = true;
  }

  /** Whether all that the client ever sends is settled; throws what was wrong with it. */
  get finished(): boolean {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#halfClosed && this.#waiting.length === 0;
  }

  get nextSeq(): bigint {
    return this.#lastSeq + 1n;
  }

  progress(): { acceptedSeq: bigint; windowSeq: bigint; windowBytes: bigint } {
    const { acceptedSeq } = this.producer;
    const waiting = this.#waiting.reduce((sum, { item }) => sum + item.length, 0);
    const windowBytes = this.#receivedBytes - waiting + this.#window.bytes;
    this.#windowBytes = Math.max(this.#windowBytes, windowBytes);
    return {
      acceptedSeq,
      windowSeq: acceptedSeq + BigInt(this.#window.items),
      windowBytes: BigInt(this.#windowBytes),
    };
  }

  /** Stores or rejects what it can now. Returns the new rejects; undefined when nothing has changed. */
  settle(): Reject[] | undefined {
    const rejects: Reject[] = [];
    let settled = 0;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const refusal = this.#refusal(next);
      if (refusal === undefined && !this.#queue.hasRoom) break;
      const seq = ++this.producer.acceptedSeq;
      if (refusal === undefined) this.#queue.items.push(next.item);
      else rejects.push(rejectOf(seq, refusal));
      this.#waiting.shift();
      settled++;
    }
    this.producer.rejects.push(...rejects);
    return settled > 0 ? rejects : undefined;
  }

  #refusal({ item, since }: Waiting): Refusal | undefined {
    if (this.#queue.shutDown) return "QUEUE_SHUT_DOWN";
    const never = this.#queue.refusal(item);
    if (never !== undefined || this.#queue.hasRoom) return never;
    const policy = this.#queue.message.spec?.fullPolicy ?? FullPolicy.UNSPECIFIED;
    const waitMs = policy === FullPolicy.REJECT ? 0 : (this.#open.waitMs ?? Infinity);
    return performance.now() - since >= waitMs ? "QUEUE_FULL" : undefined;
  }

  #take({ firstSeq, part, items }: Frame): void {
    if (firstSeq !== 0n && firstSeq !== this.nextSeq) throw invalid(`next is ${this.nextSeq}`);
    const { windowSeq, windowBytes } = this.progress();
    const last = this.#lastSeq + BigInt(items.length);
    if (last > windowSeq || BigInt(this.#receivedBytes) >= windowBytes) {
      throw new FakeFailure(Status.INVALID_ARGUMENT, "WINDOW_EXCEEDED", "beyond the window");
    }
    for (const item of items) this.#receivedBytes += item.length;
    if (part === undefined) {
      for (const item of items) this.#add(item);
      return;
    }
    const received = this.#parts.reduce((sum, piece) => sum + piece.length, 0);
    if (Number(part.offset) !== received) {
      throw new FakeFailure(Status.INVALID_ARGUMENT, "PART_OUT_OF_ORDER", `expected ${received}`);
    }
    this.#parts.push(...items);
    const whole = Buffer.concat(this.#parts);
    if (whole.length < Number(part.itemBytes)) return;
    this.#parts = [];
    this.#add(whole);
  }

  #add(item: Uint8Array): void {
    this.#lastSeq++;
    this.#waiting.push({ item, since: performance.now() });
  }
}

/** Answers one Produce stream. */
export async function* fakeProduce(
  queues: Produced,
  requests: AsyncIterable<ProduceRequest>,
  signal: AbortSignal,
): AsyncGenerator<DeepPartial<ProduceResponse>, void> {
  const iterator = requests[Symbol.asyncIterator]();
  const first = await iterator.next();
  const open = first.done === true ? undefined : first.value.open;
  if (open === undefined) throw invalid("no open");
  const queue = queues.queue(open.queue);
  const { producerId } = open;
  const producer = queues.producers.get(producerId) ?? new FakeProducer();
  if (producerId !== "") queues.producers.set(producerId, producer);
  const stream = new FakeProduceStream(producer, queue, open, queues.window);
  queue.producers++;
  try {
    const rejects = producer.rejects.filter(({ seqs }) => (seqs?.last ?? 0n) > open.knownSeq);
    yield { ...stream.progress(), resumeSeq: stream.nextSeq, rejects };
    void stream.read(iterator);
    for (;;) {
      let settled: Reject[] | undefined;
      const over = (): boolean =>
        queue.deleted || queues.goingAway || producer.stream !== stream || stream.finished;
      await until(() => over() || (settled = stream.settle()) !== undefined, undefined, signal);
      if (producer.stream !== stream) {
        throw new FakeFailure(Status.ABORTED, "PRODUCER_FENCED", "another stream has the id");
      }
      if (queue.deleted) throw new FakeFailure(Status.NOT_FOUND, "QUEUE_DELETED", "was deleted");
      if (queues.goingAway) {
        yield { ...stream.progress(), goaway: true };
        return;
      }
      if (settled !== undefined) yield { ...stream.progress(), rejects: settled };
      else if (stream.finished) return;
    }
  } finally {
    queue.producers--;
  }
}

function rejectOf(seq: bigint, refusal: Refusal): Reject {
  const failure = { code: codes[refusal], reason: ErrorReason[refusal], message: refusal };
  return Reject.create({ seqs: { first: seq, last: seq }, failure: { ...failure, metadata: {} } });
}

function invalid(message: string): FakeFailure {
  return new FakeFailure(Status.INVALID_ARGUMENT, "INVALID_FIELD", message);
}
