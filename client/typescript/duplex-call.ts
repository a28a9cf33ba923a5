import type { Client, ClientDuplexStream, ServiceError } from "@grpc/grpc-js";
import type { Rope } from "../../wire/rope.js";
import { fromServiceError } from "./errors.js";

/** A method that takes a stream and answers with one, and how its messages travel. */
export interface DuplexMethod<Request, Response> {
  /** As `/forkbus.v1.QueueService/Produce`. */
  readonly path: string;
  /** Which way the bulk of it goes: what goes up has a connection of its own. */
  readonly bulk: "up" | "down";
  readonly encode: (request: Request) => Rope | Uint8Array;
  readonly decode: (bytes: Uint8Array) => Response;
}

export interface DuplexListener<Response> {
  response(message: Response): void;
  /** Once, and nothing after it: `undefined` when the daemon has ended the stream with OK. */
  end(error: Error | undefined): void;
}

/**
 * One stream in both directions, without a queue of its own: what arrives goes to the listener at
 * once, and who writes asks first whether there is room.
 */
export class DuplexCall<Request> implements Disposable {
  readonly #call: ClientDuplexStream<Request, unknown>;
  readonly #onEnd: DuplexListener<unknown>["end"];
  readonly #onOver: () => void;
  #inFlight = 0;
  #onRoom: (() => void) | undefined;
  #over = false;

  private constructor(
    call: ClientDuplexStream<Request, unknown>,
    onEnd: DuplexListener<unknown>["end"],
    onOver: () => void,
  ) {
    this.#call = call;
    this.#onEnd = onEnd;
    this.#onOver = onOver;
  }

  /** @param onOver is called once: when the stream has ended, or was disposed of */
  static open<Request, Response>(
    client: Client,
    method: DuplexMethod<Request, Response>,
    listener: DuplexListener<Response>,
    onOver: () => void,
  ): DuplexCall<Request> {
    const call = client.makeBidiStreamRequest<Request, Response>(
      method.path,
      (request) => toBuffer(method.encode(request)),
      method.decode,
    );
    const onEnd = (error: Error | undefined): void => {
      listener.end(error);
    };
    const duplex = new DuplexCall<Request>(call, onEnd, onOver);
    call.on("data", (message: Response) => {
      if (!duplex.#over) listener.response(message);
    });
    call.on("error", (error: ServiceError) => {
      duplex.#end(fromServiceError(error));
    });
    call.on("end", () => {
      duplex.#end(undefined);
    });
    return duplex;
  }

  /** Messages that have not been handed to the connection yet. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Called each time that a message has been handed to the connection. */
  onRoom(listener: () => void): void {
    this.#onRoom = listener;
  }

  write(request: Request): void {
    if (this.#over) return;
    this.#inFlight++;
    this.#call.write(request, () => {
      this.#inFlight--;
      this.#onRoom?.();
    });
  }

  /** Nothing more will be written. */
  halfClose(): void {
    if (!this.#over) this.#call.end();
  }

  /** Ends the stream at once, if it has not ended; the listener hears no more. */
  [Symbol.dispose](): void {
    if (this.#over) return;
    this.#over = true;
    this.#onOver();
    this.#call.cancel();
  }

  /** Ends the stream at once, if it has not ended, and tells the listener why. */
  fail(error: Error): void {
    if (this.#over) return;
    this[Symbol.dispose]();
    this.#onEnd(error);
  }

  #end(error: Error | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#onOver();
    this.#onEnd(error);
  }
}

function toBuffer(message: Rope | Uint8Array): Buffer {
  if (message instanceof Uint8Array) {
    return Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  }
  const buffer = Buffer.allocUnsafe(message.byteLength);
  message.copy(buffer, 0);
  return buffer;
}
