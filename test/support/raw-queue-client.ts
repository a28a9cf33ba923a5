import { Client, type ClientDuplexStream, credentials, type StatusObject } from "@grpc/grpc-js";
import {
  type ConsumeOpen,
  ConsumeRequest,
  type ConsumeResponse,
  type DeepPartial,
  type ProduceOpen,
  ProduceRequest,
  type ProduceResponse,
  QueueServiceDefinition,
} from "../../proto/gen/forkbus/v1/queue.js";
import { eventually } from "./eventually.js";

const { produce, consume } = QueueServiceDefinition.methods;

/** One duplex call as it is: requests when the test says, and all responses so far. */
export class RawStream<Request, Response> {
  readonly responses: Response[] = [];
  /** How the call ended. */
  status: StatusObject | undefined;
  readonly #call: ClientDuplexStream<Request, Response>;

  constructor(call: ClientDuplexStream<Request, Response>) {
    this.#call = call;
    call.on("data", (response: Response) => this.responses.push(response));
    call.on("status", (status) => {
      this.status = status;
    });
    // What it says is in the status.
    call.on("error", () => undefined);
  }

  send(request: Request): void {
    this.#call.write(request);
  }

  halfClose(): void {
    this.#call.end();
  }

  cancel(): void {
    this.#call.cancel();
  }

  /** Reads no more: HTTP/2 then stops the daemon. */
  pause(): void {
    this.#call.pause();
  }

  async ended(): Promise<StatusObject> {
    const status = await eventually(
      () => this.status,
      (seen) => seen !== undefined,
      { what: "the stream to end" },
    );
    if (status === undefined) throw new Error("A stream ended without a status");
    return status;
  }
}

/** What a Consume stream has received. */
export class RawConsumer extends RawStream<ConsumeRequest, ConsumeResponse> {
  get items(): readonly string[] {
    return this.responses.flatMap(({ frame }) => frame?.items.map(String) ?? []);
  }

  get confirmed(): number {
    return Math.max(0, ...this.responses.map(({ takenTotal }) => Number(takenTotal)));
  }

  grant(items: number, bytes = 0): void {
    const credit = { itemsTotal: BigInt(items), bytesTotal: BigInt(bytes) };
    this.send(ConsumeRequest.fromPartial({ credit }));
  }

  async take(total: number): Promise<void> {
    this.send(ConsumeRequest.fromPartial({ takenTotal: BigInt(total) }));
    await eventually(
      () => this.confirmed,
      (confirmed) => confirmed >= total,
      { what: `${total} items to be confirmed` },
    );
  }

  /** Resolves when it has received so many bytes of items. */
  async receivedBytes(bytes: number): Promise<void> {
    await eventually(
      () => this.#bytes,
      (seen) => seen >= bytes,
      { what: `${bytes} bytes of items` },
    );
  }

  get #bytes(): number {
    const items = this.responses.flatMap(({ frame }) => frame?.items ?? []);
    return items.reduce((sum, { length }) => sum + length, 0);
  }

  /** Resolves when it has received so many items. */
  async received(count: number): Promise<readonly string[]> {
    return eventually(
      () => this.items,
      (items) => items.length >= count,
      { what: `${count} items` },
    );
  }
}

/** What a Produce stream has been told. */
export class RawProducer extends RawStream<ProduceRequest, ProduceResponse> {
  get accepted(): number {
    return Math.max(0, ...this.responses.map(({ acceptedSeq }) => Number(acceptedSeq)));
  }

  get rejects(): readonly string[] {
    return this.responses.flatMap(({ rejects }) =>
      rejects.map(({ seqs, failure }) => `${seqs?.first}-${seqs?.last} ${failure?.reason}`),
    );
  }

  frame(frame: NonNullable<DeepPartial<ProduceRequest>["frame"]>): void {
    this.send(ProduceRequest.fromPartial({ frame }));
  }

  put(...items: readonly string[]): void {
    this.frame({ items: items.map((item) => Buffer.from(item)) });
  }

  /** The sequence to begin with. */
  async opened(): Promise<number> {
    const [first] = await eventually(
      () => this.responses,
      (responses) => responses.length > 0 || this.status !== undefined,
      { what: "a producer to be opened" },
    );
    return Number(first?.resumeSeq ?? 0n);
  }

  /** Resolves when a frame may be sent after so many bytes. */
  async windowFor(bytes: number): Promise<void> {
    await eventually(
      () => this.responses.at(-1)?.windowBytes ?? 0n,
      (window) => window > BigInt(bytes),
      { what: `a window beyond ${bytes} bytes` },
    );
  }

  /** Resolves when all up to this sequence is stored or rejected. */
  async settled(seq: number): Promise<void> {
    await eventually(
      () => this.accepted,
      (accepted) => accepted >= seq,
      { what: `${seq} items to be settled` },
    );
  }
}

/** The queue streams of one connection, with generated codecs and nothing in between. */
export class RawQueueClient implements Disposable {
  readonly #client: Client;

  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure(), {
      "grpc.max_receive_message_length": 5 * 1024 * 1024,
      // A connection of its own, so that it is this client's alone to break.
      "grpc.use_local_subchannel_pool": 1,
    });
  }

  produce(open: DeepPartial<ProduceOpen>): RawProducer {
    const producer = new RawProducer(this.#duplex("Produce", produce));
    producer.send(ProduceRequest.fromPartial({ open }));
    return producer;
  }

  /** @param items credit for so many, of any size; undefined: none, not even for bytes */
  consume(open: DeepPartial<ConsumeOpen>, items?: number): RawConsumer {
    const consumer = new RawConsumer(this.#duplex("Consume", consume));
    const credit = items === undefined ? undefined : { itemsTotal: BigInt(items) };
    consumer.send(ConsumeRequest.fromPartial({ open, credit }));
    return consumer;
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  #duplex<Request, Response>(
    name: string,
    method: {
      readonly requestType: { encode(message: Request): { finish(): Uint8Array } };
      readonly responseType: { decode(bytes: Uint8Array): Response };
    },
  ): ClientDuplexStream<Request, Response> {
    return this.#client.makeBidiStreamRequest<Request, Response>(
      `/forkbus.v1.QueueService/${name}`,
      (request) => Buffer.from(method.requestType.encode(request).finish()),
      (bytes) => method.responseType.decode(bytes),
    );
  }
}
