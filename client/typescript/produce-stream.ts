import type { ProduceRequest, ProduceResponse } from "../../proto/gen/forkbus/v1/queue.js";
import type { OutgoingFrame, Splicing } from "../../wire/message.js";
import type { Connection } from "./connection.js";
import type { DuplexCall } from "./duplex-call.js";
import { UnavailableError } from "./errors.js";
import { produceMethod } from "./queue-streams.js";

export interface ProduceOpening {
  readonly queue: string;
  readonly producerId: string;
  /** How long an item may wait for room; undefined: as long as it takes. */
  readonly waitMs: number | undefined;
  /** The answer for all items up to this sequence is known. */
  readonly knownSeq: number;
}

export interface ProduceListener {
  /** The daemon takes items from this sequence on. */
  opened(resumeSeq: number): void;
  /** There is something new in the message, or room to send. */
  progress(message: ProduceResponse): void;
  /** There may be room to send now. */
  room(): void;
  /** Nothing more comes: the stream failed, or the daemon said goodbye. */
  ended(error: Error): void;
}

/** Frames handed to the connection and not taken by it: one is on its way while the next is filled. */
const mostInFlight = 2;

/** Frames sent and not accepted. Each may be answered by itself, and the answers must fit in a socket that nobody reads. */
const mostUnaccepted = 64;

/** One Produce stream: sends frames within the window, and tells what becomes of them. */
export class ProduceStream implements Disposable {
  readonly #call: DuplexCall<Splicing<ProduceRequest>>;
  #windowSeq = 0;
  #windowBytes = 0;
  #sentBytes = 0;
  /** The last sequence of each frame that was sent and is not accepted. */
  readonly #unaccepted: number[] = [];
  #isOpen = false;

  constructor(connection: Connection, opening: ProduceOpening, listener: ProduceListener) {
    const { queue, producerId, waitMs, knownSeq } = opening;
    this.#call = connection.duplex(produceMethod, {
      response: (message) => {
        this.#windowSeq = Number(message.windowSeq);
        this.#windowBytes = Number(message.windowBytes);
        if (!this.#isOpen) {
          this.#isOpen = true;
          listener.opened(Number(message.resumeSeq));
        }
        this.#forget(Number(message.acceptedSeq));
        listener.progress(message);
        if (message.goaway) this.#isOpen = false;
      },
      end: (error) => {
        this.#isOpen = false;
        listener.ended(error ?? goneAway(queue));
      },
    });
    this.#call.onRoom(() => {
      listener.room();
    });
    const open = { queue, producerId, waitMs, knownSeq: BigInt(knownSeq) };
    this.#call.write({ open, frame: undefined });
  }

  /** Items may be sent up to this sequence. */
  get windowSeq(): number {
    return this.#windowSeq;
  }

  /** Whether another frame may be sent now. */
  get mayWrite(): boolean {
    return (
      this.#isOpen &&
      this.#call.inFlight < mostInFlight &&
      this.#unaccepted.length < mostUnaccepted &&
      this.#sentBytes < this.#windowBytes
    );
  }

  /** Whether the connection has taken all that was sent. */
  get isQuiet(): boolean {
    return this.#call.inFlight === 0;
  }

  send(frame: OutgoingFrame): void {
    let count = 0;
    for (const row of frame.rows) {
      this.#sentBytes += row.bytes;
      count += row.count;
    }
    // The parts of an item are accepted together.
    if (frame.part === undefined) this.#unaccepted.push(frame.firstSeq + count - 1);
    this.#call.write({ open: undefined, frame });
  }

  #forget(acceptedSeq: number): void {
    const first = this.#unaccepted.findIndex((last) => last > acceptedSeq);
    this.#unaccepted.splice(0, first < 0 ? this.#unaccepted.length : first);
  }

  [Symbol.dispose](): void {
    this.#isOpen = false;
    this.#call[Symbol.dispose]();
  }
}

function goneAway(queue: string): UnavailableError {
  return new UnavailableError(`The daemon ended the stream into the queue ${queue}`, {
    code: "UNAVAILABLE",
  });
}
