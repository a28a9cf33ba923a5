import assert from "node:assert/strict";
import { type FrameLimits } from "../../../server/queues/frame-limits.js";
import { type PutMode } from "../../../server/queues/putter.js";
import { type QueueSpec } from "../../../server/queues/queue-spec.js";
import { type Credit, type SubscriberOptions } from "../../../server/queues/taker.js";
import { type Content, costOf, describeItem } from "./model-content.js";
import { capacity, type ModelItem, type ModelTaker, newTaker } from "./model-taker.js";

/** What a frame may take as it travels, without its headers. */
const frameBytes = 1024 * 1024 - 60;

interface ModelPutter {
  readonly party: number;
  readonly mode: PutMode;
  items: readonly Content[];
}

/** What the model expects to be heard, in order. */
export type Outcome =
  | {
      readonly kind: "stored";
      readonly party: number;
      readonly firstSeq: number;
      readonly items: number;
    }
  | {
      readonly kind: "refused";
      readonly party: number;
      readonly reason: string;
      readonly cost: number;
    }
  | {
      readonly kind: "delivered";
      readonly party: number;
      readonly seqs: readonly number[];
      readonly items: readonly string[];
      readonly backlog: number;
    }
  | { readonly kind: "ended"; readonly party: number; readonly end: string };

/** A queue as one would explain it: plain lists, searched from the front, and no thought of speed. */
export class QueueModel {
  readonly spec: QueueSpec;
  ready: ModelItem[] = [];
  putters: ModelPutter[] = [];
  /** Getters that wait, and subscriptions that have asked for a frame, in the order in which they could be served. */
  line: ModelTaker[] = [];
  /** Subscriptions, and getters that hold. */
  takers = new Map<number, ModelTaker>();
  pulling = new Set<number>();
  /** Waits that end by themselves. */
  armed = new Set<number>();
  phase: "open" | "draining" | "deleted" | "stopping" = "open";
  put = 0;
  acked = 0;
  dropped = 0;
  freedCost = 0;
  #outcomes: Outcome[] = [];

  constructor(spec: QueueSpec) {
    this.spec = spec;
  }

  get held(): ModelItem[] {
    return [...this.takers.values()].flatMap(({ held }) => held);
  }

  get waitingGets(): number {
    return this.line.filter(({ subscription }) => subscription === undefined).length;
  }

  get consumers(): number {
    return [...this.takers.values()].filter((taker) => taker.subscription !== undefined).length;
  }

  doPut(
    party: number,
    items: readonly Content[],
    mode: PutMode,
    waitMs: number | undefined,
  ): Outcome[] {
    const putter = { party, mode, items };
    if (this.phase !== "open") this.#refuse(putter, this.#closedReason());
    else {
      if (this.putters.length === 0) this.#storeFitting(putter);
      if (putter.items.length === 0) return this.#serve();
      if (waitMs === 0 || this.spec.fullPolicy === "reject") this.#refuse(putter, "full");
      else {
        this.putters.push(putter);
        if (waitMs !== undefined) this.armed.add(party);
      }
    }
    return this.#serve();
  }

  doGet(party: number, limits: FrameLimits, waitMs: number | undefined): Outcome[] {
    const over = this.#over();
    if (over !== undefined) this.#end(party, over);
    else if (waitMs === 0 && this.ready.length === 0) this.#end(party, "empty");
    else {
      if (waitMs !== undefined && this.ready.length === 0) this.armed.add(party);
      this.line.push(newTaker(party, limits, undefined));
    }
    return this.#serve();
  }

  doSubscribe(party: number, subscription: SubscriberOptions): Outcome[] {
    const over = this.#over();
    const { limits } = subscription;
    if (over !== undefined) this.#end(party, over);
    else this.takers.set(party, newTaker(party, limits, subscription));
    return this.#serve();
  }

  doPull(party: number): Outcome[] {
    const taker = this.takers.get(party);
    if (taker?.subscription !== undefined) {
      this.pulling.add(party);
      this.#lineUp(taker);
    }
    return this.#serve();
  }

  doGrant(party: number, { items, bytes }: Credit): Outcome[] {
    const taker = this.takers.get(party);
    if (taker?.subscription !== undefined) {
      const { credit } = taker;
      taker.credit = { items: Math.max(credit.items, items), bytes: Math.max(credit.bytes, bytes) };
      this.#lineUp(taker);
    }
    return this.#serve();
  }

  doTake(party: number, total: number): Outcome[] {
    const taker = this.takers.get(party);
    if (taker === undefined) return [];
    while (taker.taken < total) {
      this.freedCost += taker.held.shift()?.cost ?? 0;
      taker.taken++;
      this.acked++;
    }
    if (taker.subscription === undefined) {
      if (taker.held.length === 0) this.takers.delete(party);
    } else if (taker.taken >= taker.subscription.totalLimit) this.#end(party, "limit");
    return this.#serve();
  }

  doRelease(party: number): Outcome[] {
    const taker = this.takers.get(party);
    if (taker !== undefined) {
      this.ready = [...this.ready, ...taker.held].sort((a, b) => a.seq - b.seq);
      this.#forget(party);
    }
    return this.#serve();
  }

  doGiveUp(party: number, how: "cancel" | "expire"): Outcome[] {
    const waits = this.line.some((taker) => taker.party === party && !this.takers.has(party));
    const putter = this.putters.find((one) => one.party === party);
    if (putter !== undefined) {
      this.#refuse(putter, how === "cancel" ? "cancelled" : "full");
    } else if (waits) this.#end(party, how === "cancel" ? "cancelled" : "empty");
    return this.#serve();
  }

  doShutdown(immediate: boolean): Outcome[] {
    if (this.phase === "open") this.phase = "draining";
    for (const putter of [...this.putters]) this.#refuse(putter, "shut-down");
    if (immediate) this.#drop();
    return this.#serve();
  }

  doClose(reason: "deleted" | "stopping"): Outcome[] {
    if (this.phase === "deleted" || this.phase === "stopping") return [];
    this.phase = reason;
    for (const putter of [...this.putters]) this.#refuse(putter, reason);
    this.#drop();
    return this.#serve();
  }

  #closedReason(): string {
    return this.phase === "draining" ? "shut-down" : this.phase;
  }

  #over(): string | undefined {
    if (this.phase === "open") return undefined;
    if (this.phase !== "draining") return this.phase;
    return this.ready.length + this.held.length === 0 ? "shut-down" : undefined;
  }

  #fits(items: readonly Content[]): boolean {
    const all = [...this.ready, ...this.held, ...items];
    const bytes = all.reduce((sum, item) => sum + item.bytes.length, 0);
    return all.length <= (this.spec.maxItems ?? Infinity) && bytes <= this.spec.maxBytes;
  }

  /** All, or as many of the first as there is room for; these are then no longer the putter's. */
  #storeFitting(putter: ModelPutter): void {
    const { party, mode, items } = putter;
    let count = items.length;
    while (count > 0 && !this.#fits(items.slice(0, count))) count--;
    if (count === 0 || (mode === "all-or-nothing" && count < items.length)) return;
    this.#outcomes.push({ kind: "stored", party, firstSeq: this.put + 1, items: count });
    for (const item of items.slice(0, count)) this.ready.push({ ...item, seq: ++this.put });
    putter.items = items.slice(count);
  }

  #lineUp(taker: ModelTaker): void {
    if (!this.pulling.has(taker.party) || this.line.includes(taker)) return;
    const { items, bytes } = capacity(taker);
    if (items <= 0 || bytes <= 0) return;
    this.line.push(taker);
  }

  #serve(): Outcome[] {
    for (let next = this.putters[0]; next !== undefined; next = this.putters[0]) {
      this.#storeFitting(next);
      if (next.items.length > 0) break;
      this.#forgetPutter(next.party);
    }
    while (this.ready.length > 0) {
      const taker = this.line.shift();
      if (taker === undefined) break;
      this.#deliver(taker);
    }
    const over = this.#over();
    if (over !== undefined) {
      const getters = this.line.filter((taker) => taker.subscription === undefined);
      for (const { party } of getters) this.#end(party, over);
      for (const party of [...this.takers.keys()]) this.#end(party, over);
    }
    const outcomes = this.#outcomes;
    this.#outcomes = [];
    return outcomes;
  }

  #deliver(taker: ModelTaker): void {
    const frame: ModelItem[] = [];
    const room = capacity(taker);
    const maxItems = Math.min(taker.limits.items, room.items);
    const maxBytes = Math.min(taker.limits.bytes, room.bytes);
    let bytes = 0;
    let encodedBytes = 0;
    for (let next = this.ready[0]; next !== undefined; next = this.ready[0]) {
      const last = frame.at(-1);
      bytes += next.bytes.length;
      encodedBytes += next.encodedBytes;
      if (last !== undefined) {
        if (next.seq !== last.seq + 1 || frame.length >= maxItems) break;
        if (bytes > maxBytes || encodedBytes > frameBytes) break;
      }
      this.ready.shift();
      frame.push(next);
      taker.sentBytes += next.bytes.length;
    }
    this.armed.delete(taker.party);
    this.pulling.delete(taker.party);
    taker.held.push(...frame);
    taker.sent += frame.length;
    this.takers.set(taker.party, taker);
    this.#outcomes.push({
      kind: "delivered",
      party: taker.party,
      seqs: frame.map(({ seq }) => seq),
      items: frame.map((item) => describeItem(item.bytes)),
      backlog: this.ready.length,
    });
  }

  #drop(): void {
    const gone = [...this.ready, ...this.held];
    this.dropped += gone.length;
    this.freedCost += costOf(gone);
    this.ready = [];
    for (const taker of [...this.takers.values()]) {
      taker.held = [];
      if (taker.subscription === undefined) this.takers.delete(taker.party);
    }
  }

  #refuse({ party, items }: ModelPutter, reason: string): void {
    this.#forgetPutter(party);
    const cost = costOf(items);
    this.freedCost += cost;
    this.#outcomes.push({ kind: "refused", party, reason, cost });
  }

  #end(party: number, end: string): void {
    assert.equal(this.takers.get(party)?.held.length ?? 0, 0, "nobody ends with items in hand");
    this.#forget(party);
    this.#outcomes.push({ kind: "ended", party, end });
  }

  #forgetPutter(party: number): void {
    this.putters = this.putters.filter((putter) => putter.party !== party);
    this.armed.delete(party);
  }

  #forget(party: number): void {
    this.line = this.line.filter((taker) => taker.party !== party);
    this.takers.delete(party);
    this.pulling.delete(party);
    this.armed.delete(party);
  }
}
