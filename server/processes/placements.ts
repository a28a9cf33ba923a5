import { type Clock } from "../core/clock.js";
import { type ProcessUid } from "../core/ids.js";
import { Watchers } from "../core/watchers.js";
import { type CpuLedger, type Move } from "../cpus/cpu-ledger.js";
import { CpuLine } from "../cpus/cpu-line.js";
import { type CpuRequest, mayWait } from "../cpus/cpu-request.js";
import { type CpuSet, formatCpuSet } from "../cpus/cpu-set.js";
import { isKeeperAway, type Keeper } from "./keeper.js";
import { type ProcessTable } from "./process-table.js";
import { type RecordWriter } from "./record-writer.js";
import { waitUntil } from "./waiting.js";

export interface PlacementsParts {
  readonly table: ProcessTable;
  readonly ledger: CpuLedger<ProcessUid>;
  readonly keeper: Keeper;
  readonly writer: RecordWriter;
  readonly clock: Clock;
  readonly log: { warn(message: string, fields: Readonly<Record<string, unknown>>): void };
  /** A worker has been moved: what does the kernel say? */
  readonly onMoved: (uid: ProcessUid) => void;
}

/**
 * Gives CPUs to workers and takes them back, and does what the ledger says of the others: a worker
 * that moves gets its new placement in its record, and the keeper is asked to pin it there. Orders
 * reach the keeper in the order in which they are given, so that room is made before a worker is born.
 */
export class Placements {
  readonly line: CpuLine<ProcessUid>;
  readonly #parts: PlacementsParts;
  /** Moved while it could not be pinned: it was being started, or the keeper was away. */
  readonly #late = new Set<ProcessUid>();
  readonly #moving = new Map<ProcessUid, number>();
  readonly #repeats = new Watchers<string | null>();

  constructor(parts: PlacementsParts) {
    this.#parts = parts;
    this.line = new CpuLine(parts.ledger);
  }

  /**
   * For a request that may wait: returns when its CPUs are held by `uid`, or when a create with the
   * same `key` has been admitted, or fails with what was lacking. Others return at once.
   */
  async wait(
    uid: ProcessUid,
    request: CpuRequest,
    key: string | null,
    signal: AbortSignal,
  ): Promise<void> {
    if (!mayWait(request)) return;
    const obstacle = this.line.obstacle(request);
    if (obstacle === undefined) {
      this.take(uid, request);
      return;
    }
    // What can never fit is not waited for.
    if (obstacle.retryAfterMs === undefined) throw obstacle;
    let granted = false;
    let repeated = false;
    let wake = (): void => undefined;
    using _place = this.line.enter(uid, request, ({ moves }) => {
      granted = true;
      this.#apply(moves);
      wake();
    });
    using _repeat = this.#repeats.watch(key, () => {
      repeated = true;
      wake();
    });
    const watch = (onChange: () => void): Disposable => {
      wake = onChange;
      return { [Symbol.dispose]: () => undefined };
    };
    const holds = (): boolean => granted || repeated;
    try {
      await waitUntil({ watch, holds }, request.maxWaitMs, this.#parts.clock, signal);
    } catch (error) {
      if (holds()) this.release(uid);
      throw error;
    }
    if (!holds()) throw this.line.obstacle(request) ?? obstacle;
  }

  /** A create with this key is in the table: whoever waits for the same one need not. */
  admitted(key: string | null): void {
    if (key !== null) this.#repeats.wake(key);
  }

  /** The CPUs of a worker that is to be born; null: not pinned. Fails when it does not fit. */
  take(uid: ProcessUid, request: CpuRequest): CpuSet | null {
    const held = this.#parts.ledger.holdings.get(uid);
    if (held !== undefined) return held.cpus;
    const obstacle = request.kind === "exclusive" ? this.line.obstacle(request) : undefined;
    if (obstacle !== undefined) throw obstacle;
    const { cpus, moves } = this.#parts.ledger.assign(uid, request);
    this.#apply(moves);
    return cpus;
  }

  /** What one has been given is another's now: a worker that was forked before it was asked for. */
  passOn(from: ProcessUid, to: ProcessUid): void {
    const held = this.#parts.ledger.holdings.get(from);
    if (held === undefined) return;
    this.#parts.ledger.release(from);
    this.#parts.ledger.restore(to, held.request, held.cpus);
  }

  /** What `uid` held goes to those who wait, or evens out the others. */
  release(uid: ProcessUid): void {
    this.#late.delete(uid);
    if (!this.#parts.ledger.holdings.has(uid)) return;
    this.#parts.ledger.release(uid);
    this.line.serve();
    this.#apply(this.#parts.ledger.settle());
  }

  /** It can be pinned from now on. */
  spawned(uid: ProcessUid): void {
    if (this.#late.delete(uid)) this.#pin(uid);
  }

  /** The keeper is there, and has said who lives. */
  connected(): void {
    this.#apply(this.#parts.ledger.makeRoom());
    this.line.serve();
    for (const uid of [...this.#late]) this.spawned(uid);
  }

  isMoving(uid: ProcessUid): boolean {
    return this.#late.has(uid) || this.#moving.has(uid);
  }

  /** What a worker that is not pinned may run on now. */
  get sharedSet(): CpuSet {
    return this.#parts.ledger.sharedSet;
  }

  #apply(moves: readonly Move<ProcessUid>[]): void {
    const { table, writer } = this.#parts;
    for (const { holder, cpus } of moves) {
      const record = table.byUid(holder);
      if (record === undefined) continue;
      table.put({ ...record, placement: cpus });
      void writer.keep(holder);
      this.#pin(holder);
    }
  }

  #pin(uid: ProcessUid): void {
    const { table, keeper, log } = this.#parts;
    const record = table.byUid(uid);
    if (record === undefined || record.placement === null) return;
    if (record.state.kind === "starting") {
      this.#late.add(uid);
      return;
    }
    if (record.state.kind !== "running" && record.state.kind !== "stopping") return;
    const { name, placement } = record;
    this.#count(uid, 1);
    keeper.pin(uid, placement).then(
      (isThere) => {
        this.#count(uid, -1);
        if (isThere) this.#parts.onMoved(uid);
      },
      (error: unknown) => {
        this.#count(uid, -1);
        if (isKeeperAway(error)) {
          if (table.byUid(uid) !== undefined) this.#late.add(uid);
          return;
        }
        const cpus = formatCpuSet(placement);
        log.warn("worker could not be moved", { process: name, uid, cpus, error });
      },
    );
  }

  #count(uid: ProcessUid, change: 1 | -1): void {
    const count = (this.#moving.get(uid) ?? 0) + change;
    if (count === 0) this.#moving.delete(uid);
    else this.#moving.set(uid, count);
  }
}
