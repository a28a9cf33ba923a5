import type { ServerDuplexStream } from "@grpc/grpc-js";
import { Doorbell } from "../core/doorbell.js";
import type { DecodedRequest } from "./message-codec.js";

type RequestCall = Pick<
  ServerDuplexStream<DecodedRequest, unknown>,
  "on" | "pause" | "resume" | "isPaused"
>;

/**
 * The requests of one stream, in order, for one reader. When it does not ask for more, the stream
 * is paused, and HTTP/2 stops the client. Ends when the client half-closes; throws the signal's
 * reason when the call is over.
 */
export class RequestStream implements AsyncIterable<unknown> {
  /** Requests that wait here before the stream is paused. */
  static readonly maxWaiting = 4;

  readonly #call: RequestCall;
  readonly #signal: AbortSignal;
  readonly #read: (request: DecodedRequest) => unknown;
  readonly #bell = new Doorbell();
  readonly #waiting: DecodedRequest[] = [];
  #ended = false;

  /** @param read the message, or throws */
  constructor(call: RequestCall, signal: AbortSignal, read: (request: DecodedRequest) => unknown) {
    this.#call = call;
    this.#signal = signal;
    this.#read = read;
    call.on("data", (request: DecodedRequest) => {
      this.#waiting.push(request);
      if (this.#waiting.length >= RequestStream.maxWaiting) call.pause();
      this.#bell.ring();
    });
    call.on("end", () => {
      // A cancelled call ends too, and its cancellation is told of only after that.
      setImmediate(() => {
        this.#ended = true;
        this.#bell.ring();
      });
    });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<unknown, void> {
    for (;;) {
      this.#signal.throwIfAborted();
      const request = this.#waiting.shift();
      if (request !== undefined) yield this.#read(request);
      else if (this.#ended) return;
      else {
        if (this.#call.isPaused()) this.#call.resume();
        await this.#bell.wait(this.#signal);
      }
    }
  }
}
