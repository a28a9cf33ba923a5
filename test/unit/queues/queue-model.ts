import assert from "node:assert/strict";
import { type FrameLimits } from "../../../server/queues/frame-limits.js";
import { type SubscriberOptions } from "../../../server/queues/queue-core.js";
import { type QueueSpec } from "../../../server/queues/queue-spec.js";

export interface ModelItem {
  readonly seq: number;
  readonly content: Uint8Array;
}

interface ModelTaker {
  readonly party: number;
  readonly limits: FrameLimits;
  readonly subscription: SubscriberOptions | undefined;
  sent: number;
  taken: number;
  held: ModelItem[];
}

/** What the model expects to be heard, in order. */
export type Outcome =
  | { readonly kind: "stored"; readonly party: number; readonly firstSeq: number }
  | { readonly kind: "refused"; readonly party: number; readonly reason: string }
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
  putters: { party: number; items: readonly Uint8Array[] }[] = [];
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
  freedItems = 0;
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

  doPut(party: number, items: readonly Uint8Array[], waitMs: number | undefined): Outcome[] {
    if (this.phase !== "open") this.#refuse(party, this.#closedReason());
    else if (this.putters.length === 0 && this.#fits(items)) this.#store(party, items);
    else if (waitMs === 0 || this.spec.fullPolicy === "reject") this.#refuse(party, "full");
    else {
      this.putters.push({ party, items });
      if (waitMs !== undefined) this.armed.add(party);
    }
    return this.#serve();
  }

  doGet(party: number, limits: FrameLimits, waitMs: number | undefined): Outcome[] {
    const over = this.#over();
    if (over !== undefined) this.#end(party, over);
    else if (waitMs === 0 && this.ready.length === 0) this.#end(party, "empty");
    else {
      if (waitMs !== undefined && this.ready.length === 0) this.armed.add(party);
      this.line.push({ party, limits, subscription: undefined, sent: 0, taken: 0, held: [] });
    }
    return this.#serve();
  }

  doSubscribe(party: number, subscription: SubscriberOptions): Outcome[] {
    const over = this.#over();
    const { limits } = subscription;
    if (over !== undefined) this.#end(party, over);
    else this.takers.set(party, { party, limits, subscription, sent: 0, taken: 0, held: [] });
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

  doTake(party: number, total: number): Outcome[] {
    const taker = this.takers.get(party);
    if (taker === undefined) return [];
    while (taker.taken < total) {
      taker.held.shift();
      taker.taken++;
      this.acked++;
      this.freedItems++;
    }
    if (taker.subscription === undefined) {
      if (taker.held.length === 0) this.takers.delete(party);
    } else if (taker.taken >= taker.subscription.totalLimit) this.#end(party, "limit");
    else this.#lineUp(taker);
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
    if (this.putters.some((putter) => putter.party === party)) {
      this.#refuse(party, how === "cancel" ? "cancelled" : "full");
    } else if (waits) this.#end(party, how === "cancel" ? "cancelled" : "empty");
    return this.#serve();
  }

  doShutdown(immediate: boolean): Outcome[] {
    if (this.phase === "open") this.phase = "draining";
    for (const { party } of [...this.putters]) this.#refuse(party, "shut-down");
    if (immediate) this.#drop();
    return this.#serve();
  }

  doClose(reason: "deleted" | "stopping"): Outcome[] {
    if (this.phase === "deleted" || this.phase === "stopping") return [];
    this.phase = reason;
    for (const { party } of [...this.putters]) this.#refuse(party, reason);
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

  #fits(items: readonly Uint8Array[]): boolean {
    const all = [...this.ready, ...this.held].map(({ content }) => content).concat(items);
    const bytes = all.reduce((sum, content) => sum + content.length, 0);
    return all.length <= (this.spec.maxItems ?? Infinity) && bytes <= this.spec.maxBytes;
  }

  #store(party: number, items: readonly Uint8Array[]): void {
    this.#outcomes.push({ kind: "stored", party, firstSeq: this.put + 1 });
    for (const content of items) this.ready.push({ seq: ++this.put, content });
  }

  #lineUp(taker: ModelTaker): void {
    if (!this.pulling.has(taker.party) || this.line.includes(taker) || capacity(taker) <= 0) return;
    this.line.push(taker);
  }

  #serve(): Outcome[] {
    for (let next = this.putters[0]; next !== undefined; next = this.putters[0]) {
      if (!this.#fits(next.items)) break;
      this.#forgetPutter(next.party);
      this.#store(next.party, next.items);
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
    let bytes = 0;
    for (let next = this.ready[0]; next !== undefined; next = this.ready[0]) {
      const last = frame.at(-1);
      bytes += next.content.length;
      if (last !== undefined) {
        if (next.seq !== last.seq + 1 || bytes > taker.limits.bytes) break;
        if (frame.length >= Math.min(taker.limits.items, capacity(taker))) break;
      }
      this.ready.shift();
      frame.push(next);
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
      items: frame.map(({ content }) => Buffer.from(content).toString("hex")),
      backlog: this.ready.length,
    });
  }

  #drop(): void {
    const gone = this.ready.length + this.held.length;
    this.dropped += gone;
    this.freedItems += gone;
    this.ready = [];
    for (const taker of [...this.takers.values()]) {
      taker.held = [];
      if (taker.subscription === undefined) this.takers.delete(taker.party);
    }
  }

  #refuse(party: number, reason: string): void {
    this.#forgetPutter(party);
    this.#outcomes.push({ kind: "refused", party, reason });
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

function capacity({ subscription, held, sent }: ModelTaker): number {
  if (subscription === undefined) return Infinity;
  return Math.min(subscription.maxUntaken - held.length, subscription.totalLimit - sent);
}
