import { connect, type Socket } from "node:net";
import { DomainError } from "../../core/errors.js";
import { type Deferred, deferred } from "../../core/deferred.js";
import { encodeFrame, type Field, type Frame, FrameReader, FrameType } from "./keeper-frame.js";

interface PendingRequest {
  /** Frames that belong to an answer which is not complete yet. */
  readonly parts: Frame[];
  readonly answer: Deferred<readonly Frame[]>;
}

/**
 * One connection to the keeper: requests with their answers, and notices in the order in which they
 * were sent. When it closes, every request that is under way fails with `keeper-unreachable`.
 */
export class KeeperConnection {
  /** Resolves, with the reason, when the connection is gone. */
  readonly closed: Promise<Error>;
  readonly #socket: Socket;
  readonly #onNotice: (frame: Frame) => void;
  readonly #reader = new FrameReader();
  readonly #pending = new Map<number, PendingRequest>();
  readonly #closed = deferred<Error>();
  #lastRequest = 0;
  #open = true;

  private constructor(socket: Socket, onNotice: (frame: Frame) => void) {
    this.#socket = socket;
    this.#onNotice = onNotice;
    this.closed = this.#closed.promise;
    socket.on("data", (chunk) => {
      this.#read(chunk);
    });
    socket.on("error", (error) => {
      this.#close(error);
    });
    socket.on("close", () => {
      this.#close(new Error("The keeper closed the connection"));
    });
  }

  /** Rejects with the socket's error when nobody listens at `path`. */
  static open(path: string, onNotice: (frame: Frame) => void): Promise<KeeperConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new KeeperConnection(socket, onNotice));
      });
    });
  }

  /** The frames of the answer: one, except for a list, whose end is left out. */
  request(type: number, fields: readonly Field[]): Promise<readonly Frame[]> {
    if (!this.#open) return Promise.reject(unreachable());
    this.#lastRequest = (this.#lastRequest % 0xffff_fffe) + 1;
    const pending = { parts: [], answer: deferred<readonly Frame[]>() };
    this.#pending.set(this.#lastRequest, pending);
    this.#write({ type, request: this.#lastRequest, fields });
    return pending.answer.promise;
  }

  /** For what is answered by a notice. */
  send(type: number, fields: readonly Field[]): void {
    if (!this.#open) throw unreachable();
    this.#write({ type, request: 0, fields });
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** What is sent in one turn of the event loop goes out as one: each write wakes the keeper. */
  #write(frame: Frame): void {
    const bytes = encodeFrame(frame);
    if (this.#socket.writableCorked === 0) {
      this.#socket.cork();
      process.nextTick(() => {
        this.#socket.uncork();
      });
    }
    this.#socket.write(bytes);
  }

  #read(chunk: Buffer): void {
    try {
      for (const frame of this.#reader.read(chunk)) this.#take(frame);
    } catch (error) {
      this.#close(error instanceof Error ? error : new Error("Malformed frame", { cause: error }));
    }
  }

  #take(frame: Frame): void {
    if (frame.request === 0) {
      this.#onNotice(frame);
      return;
    }
    const pending = this.#pending.get(frame.request);
    if (pending === undefined) return;
    if (frame.type === FrameType.worker) {
      pending.parts.push(frame);
      return;
    }
    this.#pending.delete(frame.request);
    pending.answer.resolve(frame.type === FrameType.listEnd ? pending.parts : [frame]);
  }

  #close(reason: Error): void {
    if (!this.#open) return;
    this.#open = false;
    this.#socket.destroy();
    for (const { answer } of this.#pending.values()) answer.reject(unreachable(reason));
    this.#pending.clear();
    this.#closed.resolve(reason);
  }
}

export function unreachable(cause?: unknown): DomainError {
  return new DomainError("keeper-unreachable", "The keeper does not answer", {
    retryAfterMs: 500,
    cause,
  });
}
