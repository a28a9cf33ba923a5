import type { ServerDuplexStream, ServerWritableStream } from "@grpc/grpc-js";
import type { EncodedMessage } from "./message-codec.js";

type ResponseCall =
  | Pick<ServerWritableStream<unknown, EncodedMessage>, "write">
  | Pick<ServerDuplexStream<unknown, EncodedMessage>, "write">;

/**
 * Writes the messages of one server stream no faster than its reader takes them. Written and not
 * yet taken by the connection are at most `maxBufferedBytes` and one message more; for a reader
 * that never reads that is all the memory its stream costs.
 */
export class ResponseStream {
  static readonly maxBufferedBytes = 256 * 1024;

  readonly #call: ResponseCall;
  readonly #signal: AbortSignal;
  #buffered = 0;
  #wake: (() => void) | undefined;

  constructor(call: ResponseCall, signal: AbortSignal) {
    this.#call = call;
    this.#signal = signal;
    signal.addEventListener("abort", this.#onProgress, { once: true });
  }

  /** Resolves when there is room for more, or the call was cancelled. */
  async write(message: EncodedMessage): Promise<void> {
    if (this.#signal.aborted) return;
    this.#buffered += message.byteLength;
    this.#call.write(message, () => {
      this.#buffered -= message.byteLength;
      this.#onProgress();
    });
    while (!this.#hasRoom()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  readonly #onProgress = (): void => {
    if (this.#wake === undefined || !this.#hasRoom()) return;
    const wake = this.#wake;
    this.#wake = undefined;
    wake();
  };

  #hasRoom(): boolean {
    return this.#buffered < ResponseStream.maxBufferedBytes || this.#signal.aborted;
  }
}
