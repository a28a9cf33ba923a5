import { type Items } from "../../wire/items.js";
import { Doorbell } from "../core/doorbell.js";
import { DomainError, invalidField } from "../core/errors.js";
import { PartAssembly } from "./part-assembly.js";
import { appendReject, type ProducerPlace, type RejectedItems } from "./producer-place.js";
import { partOutOfOrder, producerFenced, windowExceeded } from "./queue-errors.js";

/** What a producer is told. Totals only grow. */
export interface ProducerProgress {
  readonly acceptedSeq: number;
  readonly windowSeq: number;
  readonly windowBytes: number;
  /** Those since the last time; when they are too many to tell at once, the rest comes next. */
  readonly rejects: readonly RejectedItems[];
}

/** A frame as it comes from a producer. */
export interface ProducedFrame {
  /** 0: the one that follows. */
  readonly firstSeq: number;
  readonly items: Items;
  readonly part?: { readonly offset: number; readonly itemBytes: number } | undefined;
}

/** What becomes of items that a producer hands to its queue. */
export interface PutObserver {
  /** The next so many of them are stored. */
  stored(count: number): void;
  /** Those that are not stored never will be. */
  refused(error: DomainError): void;
}

/** What a producer needs of its queue. */
export interface ProducerQueue {
  /** Stores what there is room for and waits with the rest. Gives up the rest when disposed of. */
  put(items: Items, observer: PutObserver): Disposable;
  /** @throws DomainError item-too-large for an item that the queue can never hold */
  requireItemFitting(bytes: number): void;
  /** Whether an item among these might be one that the queue can never hold. */
  mayExceed(items: Items): boolean;
  /** Memory for an item that arrives in parts. @throws DomainError host-exhausted */
  reserve(itemBytes: number): Disposable;
  /** The stream is over. */
  leave(): void;
}

/** Items on their way: of one frame, or of a part of one. */
interface Sent {
  first: number;
  readonly last: number;
  /** Bytes that wait for room. */
  waitingBytes: number;
  wait: Disposable | undefined;
  /** Those at the end that are not stored and never will be. */
  rejected: RejectedItems | undefined;
}

/** Why a producer's stream ends before the client ended it. */
export type ProducerEnd = "fenced" | "deleted" | "stopping";

/**
 * One stream of items into a queue. Each frame is stored item by item, in order, as room comes up;
 * what could not be stored is reported by sequence, and the stream goes on.
 *
 * The window bounds what may wait here: it is measured from what is settled, and it moves only when
 * the progress is read, so a client that does not read what it is told cannot go on for ever.
 */
export class Producer implements Disposable {
  static readonly windowItems = 65_536;
  static readonly windowBytes = 4 * 1024 * 1024;
  /** Runs of rejects in one progress: what is told at once has to fit in a message. */
  static readonly rejectsAtOnce = 1024;

  readonly #queue: ProducerQueue;
  readonly #place: ProducerPlace;
  readonly #bell = new Doorbell();
  readonly #sent: Sent[] = [];
  readonly #parts: PartAssembly;
  #lastSeq: number;
  #windowSeq: number;
  #windowBytes = Producer.windowBytes;
  #receivedBytes = 0;
  #waitingBytes = 0;
  #rejects: RejectedItems[];
  #end: ProducerEnd | undefined;
  #gone = false;

  /**
   * @param knownSeq rejects after it are told again
   * @throws DomainError resume-expired
   */
  constructor(queue: ProducerQueue, place: ProducerPlace, knownSeq: number) {
    this.#rejects = place.rejectsAfter(knownSeq);
    this.#queue = queue;
    this.#place = place;
    this.#parts = new PartAssembly((itemBytes) => {
      queue.requireItemFitting(itemBytes);
      return queue.reserve(itemBytes);
    });
    this.#lastSeq = place.acceptedSeq;
    this.#windowSeq = place.acceptedSeq + Producer.windowItems;
  }

  /** The sequence to send next. */
  get nextSeq(): number {
    return this.#lastSeq + 1;
  }

  /** Whether all that arrived is stored or rejected, and was told. */
  get idle(): boolean {
    return this.#sent.length === 0 && this.#rejects.length === 0;
  }

  /** Whether its client may be waiting for news: nothing is under way, it has ended, or much of the window is used. */
  get isUrgent(): boolean {
    const { acceptedSeq } = this.#place;
    const usedItems = this.#lastSeq - (this.#windowSeq - Producer.windowItems);
    const usedBytes = this.#receivedBytes - (this.#windowBytes - Producer.windowBytes);
    return (
      this.idle ||
      this.#end !== undefined ||
      (acceptedSeq > this.#windowSeq - Producer.windowItems &&
        usedItems > Producer.windowItems / 2) ||
      usedBytes > Producer.windowBytes / 2
    );
  }

  /** Why the stream has to end; undefined while it goes on. */
  get end(): ProducerEnd | undefined {
    return this.#end;
  }

  /**
   * Takes a frame, which then belongs to the queue.
   *
   * @throws DomainError invalid-field, window-exceeded, part-out-of-order; producer-fenced after the
   *   end; all frames before this one keep their effect
   */
  put(frame: ProducedFrame): void {
    if (this.#gone || this.#end !== undefined) throw producerFenced();
    const { items, firstSeq, part } = frame;
    if (items.count === 0)
      throw invalidField("frame.items", "0", "A frame needs at least one item");
    if (firstSeq !== 0 && firstSeq !== this.nextSeq) {
      const message = `The next sequence is ${this.nextSeq}, and the frame begins at ${firstSeq}`;
      throw invalidField("frame.first_seq", String(firstSeq), message);
    }
    if (this.#receivedBytes >= this.#windowBytes) throw windowExceeded(this.#windowBytes, "bytes");
    if (this.#lastSeq + items.count > this.#windowSeq) {
      throw windowExceeded(this.#windowSeq, "sequence");
    }
    this.#receivedBytes += items.bytes;
    if (part === undefined) {
      if (this.#parts.expected > 0) throw partOutOfOrder(0, this.#parts.expected);
      this.#putFitting(items);
      return;
    }
    const outcome = this.#parts.add(items, part);
    // Nothing is settled by it, but the window moves on.
    this.#bell.ring();
    if (outcome.kind === "complete") this.#putOne(outcome.items);
    else if (outcome.kind === "rejected") this.#reject(this.#sending(1), outcome.error);
  }

  /** What has happened since the last time, and how far the client may go now. */
  progress(): ProducerProgress {
    const rejects = this.#rejects.splice(0, Producer.rejectsAtOnce);
    const [untold] = this.#rejects;
    if (untold !== undefined) this.#bell.ring();
    const settledSeq = this.#place.acceptedSeq;
    const acceptedSeq = untold === undefined ? settledSeq : untold.first - 1;
    const settledBytes = this.#receivedBytes - this.#waitingBytes;
    const windowSeq = Math.max(this.#windowSeq, acceptedSeq + Producer.windowItems);
    // An item that arrived in parts waits from its last part on only: the total must not shrink.
    const windowBytes = Math.max(this.#windowBytes, settledBytes + Producer.windowBytes);
    this.#windowSeq = windowSeq;
    this.#windowBytes = windowBytes;
    return { acceptedSeq, windowSeq, windowBytes, rejects };
  }

  /** Resolves when there may be progress, or an end. */
  async changed(signal?: AbortSignal): Promise<void> {
    await this.#bell.wait(signal);
  }

  /** Makes `changed` resolve. */
  wake(): void {
    this.#bell.ring();
  }

  /** For its queue, and for the next stream of the same producer: what waits is given up. */
  finish(end: ProducerEnd): void {
    this.#end ??= end;
    this.#giveUp();
    this.#bell.ring();
  }

  /** Gives up what waits for room. Any number of times. */
  [Symbol.dispose](): void {
    this.#giveUp();
  }

  #giveUp(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#parts[Symbol.dispose]();
    for (const { wait } of this.#sent) wait?.[Symbol.dispose]();
    this.#queue.leave();
  }

  /** Puts items of which some may be too large for the queue: those alone are rejected. */
  #putFitting(items: Items): void {
    if (!this.#queue.mayExceed(items)) {
      this.#putRun(items);
      return;
    }
    for (let rest = items; rest.count > 0;) {
      const [item, others] = rest.split(1);
      rest = others;
      this.#putOne(item);
    }
  }

  #putOne(item: Items): void {
    try {
      this.#queue.requireItemFitting(item.bytes);
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      this.#reject(this.#sending(1), error);
      return;
    }
    this.#putRun(item);
  }

  #putRun(items: Items): void {
    const sent = this.#sending(items.count);
    sent.waitingBytes = items.bytes;
    this.#waitingBytes += items.bytes;
    sent.wait = this.#queue.put(items, {
      stored: (count) => {
        sent.first += count;
        this.#settle();
      },
      refused: (error) => {
        if (!this.#gone) this.#reject(sent, error);
      },
    });
  }

  #sending(count: number): Sent {
    const first = this.nextSeq;
    this.#lastSeq += count;
    const sent = {
      first,
      last: this.#lastSeq,
      waitingBytes: 0,
      wait: undefined,
      rejected: undefined,
    };
    this.#sent.push(sent);
    return sent;
  }

  #reject(sent: Sent, { code, message, facts }: DomainError): void {
    const { first, last } = sent;
    sent.rejected = { first, last, error: { code, message, facts } };
    sent.first = last + 1;
    this.#settle();
  }

  /**
   * Moves on to the first item that is not settled. A reject counts once all before it is settled:
   * what comes after the accepted sequence is sent again after a break, and may be stored then.
   */
  #settle(): void {
    let settled = 0;
    for (const sent of this.#sent) {
      this.#place.acceptedSeq = sent.first - 1;
      if (sent.first <= sent.last) break;
      this.#waitingBytes -= sent.waitingBytes;
      if (sent.rejected !== undefined) {
        appendReject(this.#rejects, sent.rejected);
        this.#place.reject(sent.rejected);
      }
      settled++;
    }
    this.#sent.splice(0, settled);
    this.#bell.ring();
  }
}
