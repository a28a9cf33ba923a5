import {
  type ConsumeRequest,
  type ConsumeResponse,
  GetEnd,
} from "../../proto/gen/forkbus/v1/queue.js";
import { LargeItem } from "../../wire/large-item.js";
import type { Spliced } from "../../wire/message.js";
import { patienceMs } from "./cancellable-wait.js";
import type { Connection } from "./connection.js";
import type { DuplexCall } from "./duplex-call.js";
import { consumeMethod } from "./queue-streams.js";

/** How many items may be sent ahead of what was taken. */
export interface Window {
  readonly items: number;
  readonly bytes: number;
}

/** The daemon's bound for one response. */
const mostFrameItems = 65_536;

/** How a stream of items ended. */
export type StreamEnd =
  | { readonly kind: "end"; readonly end: GetEnd }
  | { readonly kind: "failed"; readonly error: Error };

/**
 * Items of one queue on one Consume stream. What has been sent lies here untaken, where the queue
 * still counts it as its own: when this stream ends, for whatever reason, it is ready again.
 */
export class ConsumeStream implements Disposable {
  readonly #call: DuplexCall<ConsumeRequest>;
  readonly #onAnswer: () => void;
  #window: Window;
  /** Items that have arrived, oldest first; those before `#next` of the first batch are taken. */
  readonly #batches: Uint8Array[][] = [];
  #next = 0;
  #large: LargeItem | undefined;
  #takenBytes = 0;
  #taken = 0;
  #confirmed = 0;
  #closed = false;
  #end: StreamEnd | undefined;
  #patience: NodeJS.Timeout | undefined;
  #wake: (() => void) | undefined;

  /** @param onAnswer is called when the daemon says something */
  constructor(connection: Connection, queue: string, window: Window, onAnswer: () => void) {
    this.#onAnswer = onAnswer;
    this.#window = window;
    this.#call = connection.duplex(consumeMethod, {
      response: (message) => {
        this.#receive(message);
      },
      end: (error) => {
        this.#finish(
          error === undefined
            ? { kind: "end", end: GetEnd.UNSPECIFIED }
            : { kind: "failed", error },
        );
      },
    });
    this.#call.write({
      open: { queue, maxFrameItems: Math.min(window.items, mostFrameItems), maxFrameBytes: 0 },
      ...this.#position(),
    });
  }

  /** From the next `take` on so much may be sent ahead. */
  widen(window: Window): void {
    this.#window = window;
  }

  /**
   * Takes the next items, at most `max`: waits for the first, and then until the daemon has
   * confirmed that they are delivered. No items: the stream has ended or was closed, and `end` says
   * how it ended.
   */
  async take(max: number): Promise<readonly Uint8Array[]> {
    while (this.#batches.length === 0) {
      if (this.#end !== undefined) return [];
      await this.#changed();
    }
    if (this.#closed) return [];
    const items = this.#shift(max);
    this.#taken += items.length;
    for (const { length } of items) this.#takenBytes += length;
    this.#call.write({ open: undefined, ...this.#position() });
    while (this.#confirmed < this.#taken) {
      // What is not confirmed belongs to somebody else by now.
      if (this.#end !== undefined) return [];
      await this.#changed();
    }
    return items;
  }

  /** How it ended; undefined while it goes on. */
  get end(): StreamEnd | undefined {
    return this.#end;
  }

  /** Whether it was closed from here. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Whether an item has come, or a part of one. */
  get hasArrived(): boolean {
    return this.#taken > 0 || this.#batches.length > 0 || this.#large !== undefined;
  }

  /**
   * Ends the stream; a `take` under way still learns whether the items are its own, unless the
   * daemon says nothing for five seconds. Any number of times.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#call.halfClose();
    if (this.#end !== undefined) return;
    this.#patience = setTimeout(() => {
      this[Symbol.dispose]();
    }, patienceMs);
  }

  [Symbol.dispose](): void {
    this.#call[Symbol.dispose]();
    this.#finish({ kind: "end", end: GetEnd.CANCELLED });
  }

  #position(): Pick<ConsumeRequest, "credit" | "takenTotal"> {
    return {
      takenTotal: BigInt(this.#taken),
      credit: {
        itemsTotal: BigInt(this.#taken + this.#window.items),
        bytesTotal: BigInt(this.#takenBytes + this.#window.bytes),
      },
    };
  }

  #receive({ frame, takenTotal, end }: Spliced<ConsumeResponse>): void {
    this.#onAnswer();
    this.#patience?.refresh();
    if (takenTotal > 0n) this.#confirmed = Number(takenTotal);
    if (frame !== undefined) {
      const items =
        frame.part === undefined
          ? frame.items.toArray()
          : this.#assemble(frame.part.itemBytes, frame.items.toArray());
      if (items.length > 0) this.#batches.push(items);
    }
    if (end !== GetEnd.UNSPECIFIED) this.#finish({ kind: "end", end });
    this.#wake?.();
  }

  #assemble(itemBytes: number, pieces: readonly Uint8Array[]): Uint8Array[] {
    const large = (this.#large ??= new LargeItem(itemBytes));
    for (const piece of pieces) large.add(piece);
    const items = large.complete();
    if (items === undefined) return [];
    this.#large = undefined;
    return items.toArray();
  }

  /** The next items, of as many batches as it takes. */
  #shift(max: number): Uint8Array[] {
    const [first] = this.#batches;
    if (first !== undefined && this.#next === 0 && first.length === max) {
      this.#batches.shift();
      return first;
    }
    const items: Uint8Array[] = [];
    for (let [batch] = this.#batches; batch !== undefined; [batch] = this.#batches) {
      const part = batch.slice(this.#next, this.#next + max - items.length);
      for (const item of part) items.push(item);
      this.#next += part.length;
      if (this.#next < batch.length) break;
      this.#batches.shift();
      this.#next = 0;
    }
    return items;
  }

  #finish(end: StreamEnd): void {
    this.#end ??= end;
    clearTimeout(this.#patience);
    this.#patience = undefined;
    this.#wake?.();
  }

  async #changed(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }
}
