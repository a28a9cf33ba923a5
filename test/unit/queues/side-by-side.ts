import assert from "node:assert/strict";
import { QueueCore } from "../../../server/queues/queue-core.js";
import { type PartyId, type QueueEffect } from "../../../server/queues/queue-effect.js";
import { type QueueSpec } from "../../../server/queues/queue-spec.js";
import { type PutMode } from "../../../server/queues/putter.js";
import { costOf as costOfPut } from "../../../server/queues/item-run.js";
import { Items } from "../../../wire/items.js";
import { contentsOf, costOf, describeItem } from "./model-content.js";
import { type Outcome, QueueModel } from "./queue-model.js";
import { type Action } from "./queue-action.js";

/** Drives the core and the model side by side, and compares all that can be seen of them. */
export class SideBySide {
  readonly core: QueueCore;
  readonly model: QueueModel;
  readonly armed = new Set<number>();
  readonly takenSeqs: number[] = [];
  #lastParty = 0;
  #now = 0;
  #reserved = 0;
  #freed = 0;

  constructor(queueSpec: QueueSpec) {
    this.core = new QueueCore(queueSpec);
    this.model = new QueueModel(queueSpec);
  }

  /** What was reserved and not given back. */
  get inUse(): number {
    return this.#reserved - this.#freed;
  }

  act(step: Action): void {
    const { core, model } = this;
    const now = ++this.#now;
    switch (step.kind) {
      case "put": {
        const party = this.#newParty();
        const { mode, waitMs } = step;
        const allowed = this.#allowed(step.sizes, mode);
        const items = allowed.map((size, index) => new Uint8Array(size).fill(party * 16 + index));
        const given = Items.of(items);
        this.#reserved += costOfPut(given);
        const contents = contentsOf(items);
        this.#same(
          core.put(party, given, mode, waitMs, now),
          model.doPut(party, contents, mode, waitMs),
        );
        return;
      }
      case "get": {
        const party = this.#newParty();
        const { items, bytes } = step;
        const effects = core.get(party, { items, bytes }, step.waitMs, now);
        this.#same(effects, model.doGet(party, { items, bytes }, step.waitMs));
        return;
      }
      case "subscribe": {
        const party = this.#newParty();
        const { items, bytes, credit, totalLimit } = step;
        const options = { limits: { items, bytes }, credit, totalLimit };
        this.#same(core.subscribe(party, options, now), model.doSubscribe(party, options));
        return;
      }
      case "pull": {
        const party = this.#pick(step.which, [...model.takers.keys()]);
        this.#same(core.pull(party, now), model.doPull(party));
        return;
      }
      case "grant": {
        const party = this.#pick(step.which, [...model.takers.keys()]);
        const taker = model.takers.get(party);
        // Totals: some are from before.
        const items = Math.max(0, (taker?.sent ?? 0) + step.more.items);
        const bytes = (taker?.sentBytes ?? 0) + step.more.bytes;
        this.#same(
          core.grant(party, { items, bytes }, now),
          model.doGrant(party, { items, bytes }),
        );
        return;
      }
      case "take": {
        const party = this.#pick(step.which, [...model.takers.keys()]);
        const taker = model.takers.get(party);
        assert.equal(core.sentTo(party), taker?.sent);
        const all = taker?.sent ?? 0;
        const total = taker?.subscription === undefined ? all : Math.ceil(all * step.share);
        const gone = taker?.held.slice(0, Math.max(0, total - taker.taken)) ?? [];
        this.takenSeqs.push(...gone.map(({ seq }) => seq));
        this.#same(core.take(party, total, now), model.doTake(party, total));
        return;
      }
      case "release": {
        const party = this.#pick(step.which, [...model.takers.keys()]);
        this.#same(core.release(party, now), model.doRelease(party));
        return;
      }
      case "cancel":
      case "expire": {
        const waiting = [...model.putters, ...model.line].map(({ party }) => party);
        const { kind } = step;
        const party = this.#pick(step.which, kind === "cancel" ? waiting : [...model.armed]);
        // Only an armed timer can expire.
        if (kind === "expire" && !model.armed.has(party)) return;
        if (kind === "expire") this.armed.delete(party);
        this.#same(core[kind](party, now), model.doGiveUp(party, kind));
        return;
      }
      case "shutdown":
        this.#same(core.shutdown(step.immediate, now), model.doShutdown(step.immediate));
        return;
      case "close":
        this.#same(core.close(step.reason, now), model.doClose(step.reason));
        return;
    }
  }

  /** Sizes of items that a queue gets: each fits when it is empty, and all that go together do. */
  #allowed(sizes: readonly number[], mode: PutMode): readonly number[] {
    const { maxItems = Infinity, maxBytes } = this.core.spec;
    const fitting = sizes.map((size) => (size <= maxBytes ? size : size % 5));
    if (mode === "item-by-item") return fitting;
    let bytes = 0;
    const fits = (size: number, index: number): boolean =>
      (bytes += size) <= maxBytes && index < maxItems;
    const most = fitting.findIndex((size, index) => !fits(size, index));
    return most < 0 ? fitting : fitting.slice(0, most);
  }

  #newParty(): PartyId {
    return ++this.#lastParty as PartyId;
  }

  /** One of these, or when there are none, somebody who is not there. */
  #pick(index: number, parties: readonly number[]): PartyId {
    return (parties[index % (parties.length + 1)] ?? index % (this.#lastParty + 2)) as PartyId;
  }

  #same(effects: readonly QueueEffect[], expected: readonly Outcome[]): void {
    const heard: Outcome[] = [];
    for (const effect of effects) {
      switch (effect.kind) {
        case "arm":
          assert.ok(!this.armed.has(effect.party), "a wait has one timer");
          this.armed.add(effect.party);
          break;
        case "disarm":
          assert.ok(this.armed.delete(effect.party), "only what is armed is disarmed");
          break;
        case "freed":
          assert.ok(effect.cost > 0, "nothing is not told of");
          this.#freed += effect.cost;
          break;
        case "delivered": {
          const { party, frame } = effect;
          const items = frame.rows.flatMap((row) => [...row].map(describeItem));
          const seqs = items.map((_, index) => frame.firstSeq + index);
          assert.equal(frame.items, items.length);
          heard.push({ kind: "delivered", party, seqs, items, backlog: frame.backlog });
          break;
        }
        case "refused":
          this.#freed += effect.cost;
          heard.push(effect);
          break;
        case "stored":
        case "ended":
          heard.push(effect);
      }
    }
    assert.deepEqual(heard, expected);
    this.#check();
  }

  #check(): void {
    const { core, model } = this;
    const counts = core.counts(this.#now);
    const stored = [...model.ready, ...model.held];
    assert.deepEqual([...this.armed].sort(), [...model.armed].sort(), "timers");
    assert.equal(counts.put, counts.acked + counts.dropped + counts.ready + counts.untaken);
    assert.deepEqual(
      [counts.put, counts.acked, counts.dropped, counts.ready, counts.untaken],
      [model.put, model.acked, model.dropped, model.ready.length, model.held.length],
    );
    assert.equal(
      counts.storedBytes,
      stored.reduce((sum, { bytes }) => sum + bytes.length, 0),
    );
    assert.ok(stored.length <= (core.spec.maxItems ?? Infinity), "max_items is exact");
    assert.ok(counts.storedBytes <= core.spec.maxBytes, "max_bytes is exact");
    assert.deepEqual(
      [counts.waitingPuts, counts.waitingGets, counts.consumers],
      [model.putters.length, model.waitingGets, model.consumers],
    );
    assert.equal(this.#freed, model.freedCost);
    const waiting = model.putters.flatMap(({ items }) => items);
    assert.equal(
      this.#reserved - this.#freed,
      costOf([...stored, ...waiting]),
      "what was reserved is freed, or belongs to items that are there",
    );
    assert.equal(new Set(this.takenSeqs).size, this.takenSeqs.length, "no item is taken twice");
    if (counts.state === "shut-down") {
      assert.equal(this.armed.size, 0, "nothing is armed when nothing can come");
      assert.equal(counts.waitingPuts + counts.waitingGets + counts.consumers, 0);
    }
  }
}
