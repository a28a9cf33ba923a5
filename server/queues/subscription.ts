import { Doorbell } from "../core/doorbell.js";
import { invalidField } from "../core/errors.js";
import { type DeliveredFrame, type TakerEnd } from "./queue-effect.js";
import { type Credit } from "./taker.js";

/** What a subscription gives next. */
export type SubscriptionStep =
  | { readonly kind: "frame"; readonly frame: DeliveredFrame }
  | { readonly kind: "end"; readonly end: TakerEnd };

/** What a subscription needs of its queue. */
export interface SubscriptionSource {
  /** Asks for one frame, which comes by `deliver`. */
  pull(): void;
  /** Items sent; undefined when the queue knows the subscription no longer. */
  sent(): number | undefined;
  take(total: number): void;
  grant(credit: Credit): void;
  release(): void;
}

/**
 * Items of one queue for one consumer, a frame at a time, each when it is asked for: while nobody
 * asks nothing is sent, and what arrives meanwhile makes the next frame larger.
 *
 * What was given is untaken until `take` says otherwise; `close` gives the untaken back to the
 * queue. One `next` at a time.
 */
export class Subscription implements Disposable {
  readonly #source: SubscriptionSource;
  readonly #bell = new Doorbell();
  #step: SubscriptionStep | undefined;
  #pulling = false;
  #taken = 0;

  constructor(source: SubscriptionSource) {
    this.#source = source;
  }

  /**
   * Cancelling it gives up the wait, and no item: what came too late for it is the next step.
   */
  async next(signal?: AbortSignal): Promise<SubscriptionStep> {
    signal?.throwIfAborted();
    for (;;) {
      const step = this.poll();
      if (step !== undefined) return step;
      await this.#bell.wait(signal);
    }
  }

  /** The next step if there is one by now; asks for a frame. The end is given again and again. */
  poll(): SubscriptionStep | undefined {
    if (this.#step === undefined && !this.#pulling) {
      this.#pulling = true;
      this.#source.pull();
    }
    const step = this.#step;
    if (step?.kind === "frame") this.#step = undefined;
    return step;
  }

  /** Resolves when there may be a step, or when items have been taken. */
  async changed(signal?: AbortSignal): Promise<void> {
    await this.#bell.wait(signal);
  }

  /** Makes `changed` resolve. */
  wake(): void {
    this.#bell.ring();
  }

  /** How many items are taken. */
  get taken(): number {
    return this.#taken;
  }

  /** More may be sent; a total from before does nothing. */
  grant(credit: Credit): void {
    this.#source.grant(credit);
  }

  /**
   * Items up to this total are delivered; a total from before does nothing.
   *
   * @returns the largest total so far; undefined when the subscription has ended and these items
   *   are no longer its own
   * @throws DomainError invalid-field for more than was sent
   */
  take(total: number): number | undefined {
    if (total <= this.#taken) return this.#taken;
    const sent = this.#source.sent();
    if (sent === undefined) return undefined;
    if (total > sent) {
      const message = `taken_total is ${total}, but only ${sent} items were sent`;
      throw invalidField("taken_total", String(total), message);
    }
    this.#taken = total;
    this.#source.take(total);
    this.#bell.ring();
    return total;
  }

  /** Everything that was given is delivered; does nothing when the subscription has ended. */
  takeAll(): void {
    this.take(this.#source.sent() ?? 0);
  }

  [Symbol.dispose](): void {
    this.#source.release();
  }

  /** For the queue: the frame that was asked for. */
  deliver(frame: DeliveredFrame): void {
    this.#pulling = false;
    this.#arrive({ kind: "frame", frame });
  }

  /** For the queue: nothing will come any more. */
  end(end: TakerEnd): void {
    this.#arrive({ kind: "end", end });
  }

  #arrive(step: SubscriptionStep): void {
    this.#step = step;
    this.#bell.ring();
  }
}
