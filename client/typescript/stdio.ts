import { OutputGapError } from "./errors.js";
import type { LogEvent, LogOptions, StreamName } from "./logs.js";
import type { SignalOption } from "./wait-options.js";

export type ReadOutputOptions = Pick<LogOptions, "follow" | "signal">;

const longestLine = 1 << 20;

/**
 * One stream of a process's output. Each iteration reads it from the beginning of what is kept, and by default follows
 * it until the worker and its tree have ended. Any number may read at once. Throws OutputGapError where bytes are gone
 * because more was written than is kept, or because the file was truncated: use `Process.logs` to go on there.
 */
export class OutputStream implements AsyncIterable<Uint8Array> {
  readonly #stream: StreamName;
  readonly #read: (options: LogOptions) => AsyncIterable<LogEvent>;

  constructor(stream: StreamName, read: (options: LogOptions) => AsyncIterable<LogEvent>) {
    this.#stream = stream;
    this.#read = read;
  }

  [Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    return this.chunks();
  }

  /** The bytes, cut anywhere. */
  async *chunks(options: ReadOutputOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const event of this.#read({ ...options, stream: this.#stream })) {
      switch (event.kind) {
        case "chunk":
          yield event.data;
          break;
        case "gap":
          throw new OutputGapError(
            `Output on ${event.stream} is gone (${event.reason}): offset ${event.from.offset} of epoch ` +
              `${event.from.epoch} to offset ${event.to.offset} of epoch ${event.to.epoch}`,
          );
        case "end":
          return;
      }
    }
  }

  /** UTF-8 lines without their end; one longer than a million characters comes in pieces. */
  async *lines(options: ReadOutputOptions = {}): AsyncGenerator<string, void, undefined> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of this.chunks(options)) {
      const pieces = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = pieces.pop() ?? "";
      yield* pieces;
      if (rest.length > longestLine) {
        yield rest;
        rest = "";
      }
    }
    rest += decoder.decode();
    if (rest !== "") yield rest;
  }

  /** All of it as UTF-8: by default when the worker and its tree have ended. */
  async text(options: ReadOutputOptions = {}): Promise<string> {
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of this.chunks(options)) text += decoder.decode(chunk, { stream: true });
    return text + decoder.decode();
  }
}

/** What `InputStream` needs of a process. Both may be repeated when the daemon does not answer. */
export interface InputSink {
  /** Gives bytes at an offset, and returns the offset to go on at. */
  write(offset: bigint, data: Uint8Array, options: SignalOption): Promise<bigint>;
  close(options: SignalOption): Promise<void>;
}

const largestWriteBytes = 256 * 1024;

/**
 * The stdin of a process created with `openStdin`. Writes are given to the worker in the order in which they were
 * called. The offset of each makes sure that a write which is repeated after a break is not seen twice; for that only
 * one program may write at a time.
 */
export class InputStream {
  readonly #sink: InputSink;
  /** Undefined when the worker may have got more than this side knows of. */
  #offset: bigint | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(sink: InputSink) {
    this.#sink = sink;
  }

  /**
   * Resolves when the pipe has taken all: awaiting it is what keeps a fast writer to the pace of the worker. After an
   * abort, or another failure, the worker may have got the beginning. Throws ForkbusError STDIN_NOT_OPEN when the worker
   * no longer reads.
   */
  write(data: Uint8Array | string, options: SignalOption = {}): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    return this.#inOrder(() => this.#writeAll(bytes, options));
  }

  /**
   * Closes stdin after what has been written: the worker then reads the end of the file. When `data` cannot be written
   * stdin stays open, so that the worker does not take a part for the whole.
   */
  end(data: Uint8Array | string = new Uint8Array(), options: SignalOption = {}): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    return this.#inOrder(async () => {
      if (bytes.length > 0) await this.#writeAll(bytes, options);
      await this.#sink.close(options);
    });
  }

  async #writeAll(bytes: Uint8Array, options: SignalOption): Promise<void> {
    options.signal?.throwIfAborted();
    let offset = this.#offset ?? (await this.#sink.write(0n, new Uint8Array(), options));
    this.#offset = undefined;
    const begin = offset;
    while (offset - begin < BigInt(bytes.length)) {
      const done = Number(offset - begin);
      offset = await this.#sink.write(
        offset,
        bytes.subarray(done, done + largestWriteBytes),
        options,
      );
    }
    this.#offset = offset;
  }

  #inOrder(step: () => Promise<void>): Promise<void> {
    const result = this.#last.then(step);
    // The failure of one write is its caller's to see; the next one is tried all the same.
    this.#last = result.catch(() => undefined);
    return result;
  }
}
