import { randomUUID } from "node:crypto";
import type { ProduceResponse } from "../../proto/gen/forkbus/v1/queue.js";
import { Items } from "../../wire/items.js";
import type { OutgoingFrame } from "../../wire/message.js";
import type { Connection } from "./connection.js";
import { fromFailure, UnavailableError } from "./errors.js";
import { ProduceStream } from "./produce-stream.js";
import { PutGatherer } from "./put-gatherer.js";
import { framesOf } from "./queue-streams.js";
import { Outage } from "./retry.js";
import { type PutAnswer, UnacceptedItems } from "./unaccepted-items.js";

/** A put of many items waits when so much of it is not accepted. */
const mostUnacceptedBytes = 8 * 1024 * 1024;
const mostUnacceptedItems = 16_384;

/** A stream that is not used for so long is closed: an open one keeps a program from ending. */
const idleMs = 50;

/**
 * Puts items of one queue on a Produce stream, which is open while there is something to put.
 *
 * Single puts that come while a frame is on its way to the connection travel together in the next
 * one; nothing waits for company that may not come. What is not accepted when the connection
 * breaks is sent again, and stored once.
 */
export class QueueProducer {
  readonly #connection: Connection;
  readonly #queue: string;
  readonly #outage: Outage;
  readonly #closing: AbortSignal;
  readonly #gathered = new PutGatherer();
  readonly #waitingForRoom: (() => void)[] = [];
  #unaccepted = new UnacceptedItems();
  #producerId = randomUUID();
  #stream: ProduceStream | undefined;
  /** The next sequence to send, and the frames of the batch that is being sent. */
  #nextSeq = 1;
  #frames: OutgoingFrame[] = [];
  #state: "idle" | "open" | "reopening" = "idle";
  #idleTimer: NodeJS.Timeout | undefined;

  /** @param closing ends all puts with its reason */
  constructor(connection: Connection, queue: string, closing: AbortSignal) {
    this.#connection = connection;
    this.#queue = queue;
    this.#closing = closing;
    this.#outage = new Outage(connection);
    closing.addEventListener("abort", () => {
      this.#fail(closing.reason);
    });
  }

  /** Puts one item, in company if there is some. Resolves when it is in the queue. */
  async put(item: Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#begin();
      if (!this.#gathered.hasRoom(item.length)) this.#seal();
      this.#gathered.add(item, answerBy(resolve, reject));
      // The other puts of this turn are gathered first.
      queueMicrotask(() => {
        this.#send();
      });
    });
  }

  /** Puts items that fit in one frame, or one that is too large for it. Resolves when all are in the queue; when some are not, `onPut` is told how many of the first ones are. */
  async putRun(items: readonly Uint8Array[], onPut?: (items: number) => void): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#begin();
      this.#seal();
      this.#unaccepted.add(Items.of(items), [
        { count: items.length, answer: answerBy(resolve, reject, onPut) },
      ]);
      this.#send();
    });
  }

  /** Resolves when not too much is under way. */
  async room(): Promise<void> {
    while (
      this.#unaccepted.bytes > mostUnacceptedBytes ||
      this.#unaccepted.count > mostUnacceptedItems
    ) {
      await new Promise<void>((resolve) => {
        this.#waitingForRoom.push(resolve);
      });
    }
  }

  #begin(): void {
    this.#closing.throwIfAborted();
    clearTimeout(this.#idleTimer);
    if (this.#state === "idle") this.#open();
  }

  #open(): void {
    this.#outage.attempt();
    const opening = {
      queue: this.#queue,
      producerId: this.#producerId,
      waitMs: undefined,
      knownSeq: this.#unaccepted.acceptedSeq,
    };
    this.#stream = new ProduceStream(this.#connection, opening, {
      opened: (resumeSeq) => {
        this.#resume(resumeSeq);
      },
      progress: (message) => {
        this.#accept(message);
      },
      room: () => {
        this.#send();
      },
      ended: (error) => {
        this.#reopen(error).catch((failure: unknown) => {
          this.#fail(failure);
        });
      },
    });
    this.#state = "open";
  }

  #resume(resumeSeq: number): void {
    this.#outage.over();
    this.#frames = [];
    this.#nextSeq = resumeSeq;
    if (resumeSeq > this.#unaccepted.acceptedSeq) return;
    const message = `The daemon has forgotten this producer of the queue ${this.#queue}`;
    this.#fail(new UnavailableError(message, { code: "UNAVAILABLE" }));
  }

  /** The stream ended, as by a break: what is not accepted goes on the next one. */
  async #reopen(error: unknown): Promise<void> {
    this.#stream = undefined;
    if (this.#unaccepted.isEmpty && this.#gathered.isEmpty) {
      this.#reset();
      return;
    }
    this.#state = "reopening";
    await this.#outage.pause(error, this.#closing);
    this.#open();
  }

  #accept({ acceptedSeq, rejects }: ProduceResponse): void {
    for (const { seqs, failure } of rejects) {
      if (seqs === undefined || failure === undefined) continue;
      const error = fromFailure(failure);
      this.#unaccepted.reject({ first: Number(seqs.first), last: Number(seqs.last), error });
    }
    this.#unaccepted.accept(Number(acceptedSeq));
    for (const wake of this.#waitingForRoom.splice(0)) wake();
    this.#send();
    if (this.#unaccepted.isEmpty && this.#gathered.isEmpty) {
      clearTimeout(this.#idleTimer);
      this.#idleTimer = setTimeout(() => {
        this.#reset();
      }, idleMs).unref();
    }
  }

  /** Sends what the window and the connection have room for. */
  #send(): void {
    const stream = this.#stream;
    while (stream?.mayWrite === true) {
      const [frame] = this.#frames;
      if (frame !== undefined) {
        this.#frames.shift();
        stream.send(frame);
        continue;
      }
      // Puts are gathered for as long as a frame is on its way.
      if (stream.isQuiet) this.#seal();
      const batch = this.#unaccepted.from(this.#nextSeq);
      if (batch === undefined || this.#nextSeq + batch.items.count - 1 > stream.windowSeq) return;
      this.#nextSeq += batch.items.count;
      this.#frames = framesOf(batch.first, batch.items);
    }
  }

  /** What has been gathered becomes a batch. */
  #seal(): void {
    const { items, puts } = this.#gathered.take();
    if (puts.length > 0) this.#unaccepted.add(Items.of(items), puts);
  }

  #fail(error: unknown): void {
    this.#seal();
    this.#unaccepted.fail(error);
    for (const wake of this.#waitingForRoom.splice(0)) wake();
    this.#reset();
  }

  /** Everything is answered: the next put begins as another producer. */
  #reset(): void {
    clearTimeout(this.#idleTimer);
    this.#stream?.[Symbol.dispose]();
    this.#stream = undefined;
    this.#state = "idle";
    this.#unaccepted = new UnacceptedItems();
    this.#producerId = randomUUID();
    this.#frames = [];
    this.#nextSeq = 1;
  }
}

function answerBy(
  resolve: () => void,
  reject: (error: unknown) => void,
  onPut?: (items: number) => void,
): PutAnswer {
  return (error, stored) => {
    try {
      if (stored > 0) onPut?.(stored);
    } catch (failure) {
      reject(failure);
    }
    if (error === undefined) resolve();
    else reject(error);
  };
}
