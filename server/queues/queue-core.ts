import { type Items } from "../../wire/items.js";
import { type FrameLimits } from "./frame-limits.js";
import { type Amount, Hold } from "./hold.js";
import { compactRun, costOf } from "./item-run.js";
import { fittingPart, type Putter, type PutMode } from "./putter.js";
import { type PartyId, type PutRefusal, type QueueEffect, type TakerEnd } from "./queue-effect.js";
import { type QueueSpec } from "./queue-spec.js";
import { type QueueCounts, type QueueState } from "./queue-status.js";
import { ReadyList } from "./ready-list.js";
import {
  capacityOf,
  type Credit,
  type Getter,
  type Subscriber,
  type SubscriberOptions,
} from "./taker.js";
import { WaitLine } from "./wait-line.js";

type Phase = "open" | "draining" | "deleted" | "stopping";

/**
 * One queue, as a state machine: each method is an event, and returns what is to be done because
 * of it. It knows no promises and no clock; time comes in as `now` and as `expire`.
 *
 * An item is in exactly one place: ready, or held by the one taker that it was sent to. Both count
 * against the bounds. It is gone when taken, or dropped.
 *
 * Putters wait in one line and takers in another, and only the first of a line is ever served.
 * A party id is used once. Events about parties that are unknown, or no longer known, do nothing:
 * whoever lost a race need not know.
 */
export class QueueCore {
  readonly spec: QueueSpec;
  readonly #ready = new ReadyList();
  readonly #putters = new Map<PartyId, Putter>();
  readonly #putterLine = new WaitLine<Putter>();
  readonly #getters = new Map<PartyId, Getter>();
  readonly #subscribers = new Map<PartyId, Subscriber>();
  readonly #takerLine = new WaitLine<Getter | Subscriber>();
  /** Of getters that were sent items. Those of subscribers are in their Subscriber. */
  readonly #getterHolds = new Map<PartyId, Hold>();
  readonly #armed = new Set<PartyId>();
  #phase: Phase = "open";
  #put = 0;
  #acked = 0;
  #dropped = 0;
  #untaken = 0;
  #untakenBytes = 0;
  #effects: QueueEffect[] = [];

  constructor(spec: QueueSpec) {
    this.spec = spec;
  }

  /**
   * Stores the items, or waits for room: up to `waitMs`, for ever when undefined. What is to be
   * stored at once must fit when the queue is empty. The queue owns their memory from here on.
   */
  put(
    id: PartyId,
    items: Items,
    mode: PutMode,
    waitMs: number | undefined,
    now: number,
  ): readonly QueueEffect[] {
    const { byteLength: heldBytes } = items.encoded.buffer;
    const putter = { id, mode, items, heldBytes, cost: costOf(items) };
    const closed = this.#putRefusal();
    if (closed !== undefined) this.#refuse(putter, closed);
    else if (this.#putterLine.length === 0 && this.#storeFitting(putter, now)) {
      return this.#settle(now);
    } else if (waitMs === 0 || this.spec.fullPolicy === "reject") this.#refuse(putter, "full");
    else {
      this.#putters.set(id, putter);
      this.#putterLine.join(putter);
      this.#arm(id, waitMs);
    }
    return this.#settle(now);
  }

  /** Delivers what is there, or waits for the first item. Ends once, with items or without. */
  get(
    id: PartyId,
    limits: FrameLimits,
    waitMs: number | undefined,
    now: number,
  ): readonly QueueEffect[] {
    const closed = this.#takerEnd();
    if (closed !== undefined) this.#emit({ kind: "ended", party: id, end: closed });
    else if (waitMs === 0 && this.#ready.items === 0) {
      this.#emit({ kind: "ended", party: id, end: "empty" });
    } else {
      const getter: Getter = { kind: "getter", id, limits };
      this.#getters.set(id, getter);
      this.#takerLine.join(getter);
      if (this.#ready.items === 0) this.#arm(id, waitMs);
    }
    return this.#settle(now);
  }

  subscribe(id: PartyId, options: SubscriberOptions, now: number): readonly QueueEffect[] {
    const closed = this.#takerEnd();
    if (closed !== undefined) this.#emit({ kind: "ended", party: id, end: closed });
    else {
      const hold = new Hold();
      const subscriber: Subscriber = { kind: "subscriber", id, ...options, hold, pulling: false };
      this.#subscribers.set(id, subscriber);
    }
    return this.#settle(now);
  }

  /** The subscription is ready for one more frame. */
  pull(id: PartyId, now: number): readonly QueueEffect[] {
    const subscriber = this.#subscribers.get(id);
    if (subscriber !== undefined) {
      subscriber.pulling = true;
      this.#joinWithCapacity(subscriber);
    }
    return this.#settle(now);
  }

  /** The subscription may be sent more; a total from before does nothing. */
  grant(id: PartyId, credit: Credit, now: number): readonly QueueEffect[] {
    const subscriber = this.#subscribers.get(id);
    if (subscriber !== undefined) {
      subscriber.credit = {
        items: Math.max(subscriber.credit.items, credit.items),
        bytes: Math.max(subscriber.credit.bytes, credit.bytes),
      };
      this.#joinWithCapacity(subscriber);
    }
    return this.#settle(now);
  }

  /** How many items a getter or a subscription has been sent; undefined when it is not known (any more). */
  sentTo(id: PartyId): number | undefined {
    return this.#holdOf(id)?.sent;
  }

  /** Items up to this total of what the party has been sent are delivered. A getter must take all. */
  take(id: PartyId, total: number, now: number): readonly QueueEffect[] {
    const hold = this.#holdOf(id);
    if (hold === undefined) return [];
    const amount = hold.take(total);
    this.#acked += amount.items;
    this.#unhold(amount);
    if (hold.untaken === 0) this.#getterHolds.delete(id);
    const subscriber = this.#subscribers.get(id);
    if (subscriber !== undefined && hold.taken >= subscriber.totalLimit) {
      this.#endTaker(subscriber, "limit");
    }
    return this.#settle(now);
  }

  /** The getter or subscription is gone: what it has not taken is ready again, in its old place. */
  release(id: PartyId, now: number): readonly QueueEffect[] {
    const hold = this.#holdOf(id);
    const subscriber = this.#subscribers.get(id);
    if (subscriber !== undefined) this.#takerLine.leave(subscriber);
    this.#subscribers.delete(id);
    this.#getterHolds.delete(id);
    if (hold !== undefined) {
      this.#untaken -= hold.untaken;
      this.#untakenBytes -= hold.untakenBytes;
      // Last first: each then goes in front of the one before.
      for (const run of [...hold.release()].reverse()) this.#ready.putBack(run);
    }
    return this.#settle(now);
  }

  /** Gives up a wait of a put or a get. */
  cancel(id: PartyId, now: number): readonly QueueEffect[] {
    return this.#giveUp(id, "cancelled", "cancelled", now);
  }

  /** The time of an armed wait is over. */
  expire(id: PartyId, now: number): readonly QueueEffect[] {
    this.#armed.delete(id);
    return this.#giveUp(id, "full", "empty", now);
  }

  shutdown(immediate: boolean, now: number): readonly QueueEffect[] {
    if (this.#phase === "open") this.#phase = "draining";
    this.#refuseAll("shut-down");
    if (immediate) this.#dropAll();
    return this.#settle(now);
  }

  /** The end of the queue: drops every item, wakes everyone, and refuses whoever comes later. */
  close(reason: "deleted" | "stopping", now: number): readonly QueueEffect[] {
    if (this.#phase === "deleted" || this.#phase === "stopping") return [];
    this.#phase = reason;
    this.#refuseAll(reason);
    this.#dropAll();
    return this.#settle(now);
  }

  get state(): QueueState {
    if (this.#phase === "open") return "open";
    return this.#takerEnd() === undefined ? "draining" : "shut-down";
  }

  counts(now: number): Omit<QueueCounts, "producers"> {
    const oldest = this.#ready.first;
    return {
      state: this.state,
      ready: this.#ready.items,
      untaken: this.#untaken,
      storedBytes: this.#ready.bytes + this.#untakenBytes,
      put: this.#put,
      acked: this.#acked,
      dropped: this.#dropped,
      oldestReadyMs: oldest === undefined ? 0 : Math.max(0, now - oldest.putAt),
      consumers: this.#subscribers.size,
      waitingPuts: this.#putters.size,
      waitingGets: this.#getters.size,
    };
  }

  #putRefusal(): PutRefusal | undefined {
    if (this.#phase === "open") return undefined;
    return this.#phase === "draining" ? "shut-down" : this.#phase;
  }

  /** Why no taker will ever get anything. */
  #takerEnd(): TakerEnd | undefined {
    switch (this.#phase) {
      case "open":
        return undefined;
      case "draining":
        return this.#ready.items + this.#untaken === 0 ? "shut-down" : undefined;
      case "deleted":
      case "stopping":
        return this.#phase;
    }
  }

  /** Stores what fits, and says whether that was all. */
  #storeFitting(putter: Putter, now: number): boolean {
    const fitting = fittingPart(putter, {
      items: (this.spec.maxItems ?? Infinity) - this.#ready.items - this.#untaken,
      bytes: this.spec.maxBytes - this.#ready.bytes - this.#untakenBytes,
    });
    if (fitting === undefined) return false;
    const { items, cost, rest } = fitting;
    const firstSeq = this.#put + 1;
    this.#put += items.count;
    putter.items = rest;
    putter.cost -= cost;
    this.#ready.append({ firstSeq, items, heldBytes: putter.heldBytes, cost, putAt: now });
    this.#emit({ kind: "stored", party: putter.id, firstSeq, items: items.count });
    return rest.count === 0;
  }

  /** Serves whoever can be served now, and ends those who never will be. */
  #settle(now: number): readonly QueueEffect[] {
    for (let first = this.#putterLine.first; first !== undefined; first = this.#putterLine.first) {
      if (!this.#storeFitting(first, now)) break;
      this.#leavePutters(first);
    }
    for (let first = this.#takerLine.first; first !== undefined; first = this.#takerLine.first) {
      if (this.#ready.items === 0) break;
      this.#deliver(first);
    }
    const end = this.#takerEnd();
    if (end !== undefined) this.#endAllTakers(end);
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #deliver(taker: Getter | Subscriber): void {
    const { id, limits } = taker;
    this.#takerLine.leave(taker);
    const capacity = capacityOf(taker);
    let runs = this.#ready.take({
      items: Math.min(limits.items, capacity.items),
      bytes: Math.min(limits.bytes, capacity.bytes),
    });
    let hold: Hold;
    if (taker.kind === "getter") {
      this.#getters.delete(id);
      this.#disarm(id);
      hold = new Hold();
      this.#getterHolds.set(id, hold);
    } else {
      taker.pulling = false;
      hold = taker.hold;
      // It may keep a few items for long, which must not keep the memory of many.
      runs = runs.map(compactRun);
    }
    const [run] = runs;
    if (run === undefined) throw new Error("A ready list with items gave none");
    hold.add(runs);
    const rows = runs.map((part) => part.items);
    let items = 0;
    for (const row of rows) {
      items += row.count;
      this.#untakenBytes += row.bytes;
    }
    this.#untaken += items;
    const frame = { firstSeq: run.firstSeq, items, rows, backlog: this.#ready.items };
    this.#emit({ kind: "delivered", party: id, frame });
  }

  #joinWithCapacity(subscriber: Subscriber): void {
    const { items, bytes } = capacityOf(subscriber);
    if (subscriber.pulling && items > 0 && bytes > 0) this.#takerLine.join(subscriber);
  }

  #holdOf(id: PartyId): Hold | undefined {
    return this.#subscribers.get(id)?.hold ?? this.#getterHolds.get(id);
  }

  #giveUp(id: PartyId, reason: PutRefusal, end: TakerEnd, now: number): readonly QueueEffect[] {
    const putter = this.#putters.get(id);
    if (putter !== undefined) {
      this.#leavePutters(putter);
      this.#refuse(putter, reason);
    }
    const getter = this.#getters.get(id);
    if (getter !== undefined) this.#endTaker(getter, end);
    return this.#settle(now);
  }

  #leavePutters(putter: Putter): void {
    this.#putterLine.leave(putter);
    this.#putters.delete(putter.id);
    this.#disarm(putter.id);
  }

  #refuseAll(reason: PutRefusal): void {
    for (const putter of this.#putterLine.empty()) {
      this.#leavePutters(putter);
      this.#refuse(putter, reason);
    }
  }

  #refuse({ id, cost }: Putter, reason: PutRefusal): void {
    this.#emit({ kind: "refused", party: id, reason, cost });
  }

  #endTaker(taker: Getter | Subscriber, end: TakerEnd): void {
    this.#takerLine.leave(taker);
    this.#getters.delete(taker.id);
    this.#subscribers.delete(taker.id);
    this.#disarm(taker.id);
    this.#emit({ kind: "ended", party: taker.id, end });
  }

  #endAllTakers(end: TakerEnd): void {
    for (const getter of this.#getters.values()) this.#endTaker(getter, end);
    for (const subscriber of this.#subscribers.values()) this.#endTaker(subscriber, end);
  }

  /** Items and holds of everyone; those who hold find that they are no longer known. */
  #dropAll(): void {
    const ready = this.#ready.clear();
    this.#dropped += ready.items;
    this.#free(ready.cost);
    const holds = [...this.#subscribers.values()].map((subscriber) => subscriber.hold);
    holds.push(...this.#getterHolds.values());
    for (const hold of holds) {
      const held = hold.take(hold.sent);
      this.#dropped += held.items;
      this.#unhold(held);
    }
    this.#getterHolds.clear();
  }

  #unhold({ items, bytes, cost }: Amount): void {
    this.#untaken -= items;
    this.#untakenBytes -= bytes;
    this.#free(cost);
  }

  #free(cost: number): void {
    if (cost > 0) this.#emit({ kind: "freed", cost });
  }

  #arm(id: PartyId, afterMs: number | undefined): void {
    if (afterMs === undefined) return;
    this.#armed.add(id);
    this.#emit({ kind: "arm", party: id, afterMs });
  }

  #disarm(id: PartyId): void {
    if (this.#armed.delete(id)) this.#emit({ kind: "disarm", party: id });
  }

  #emit(effect: QueueEffect): void {
    this.#effects.push(effect);
  }
}
