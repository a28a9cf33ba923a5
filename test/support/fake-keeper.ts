import assert from "node:assert/strict";
import { DomainError } from "../../server/core/errors.js";
import type { ProcessUid } from "../../server/core/ids.js";
import type { CpuSet } from "../../server/cpus/cpu-set.js";
import type { AffinityQuestion } from "../../server/processes/affinity-check.js";
import type {
  BirthOrder,
  EndReport,
  ForkOrder,
  GoOrder,
  Keeper,
  KeeperEvents,
  KeptWorker,
  SpawnFailure,
  SpawnOrder,
  StdinAnswer,
} from "../../server/processes/keeper.js";
import type {
  ExitOutcome,
  ExitReport,
  KeeperIdentity,
  Worker,
} from "../../server/processes/process-state.js";
import type { Moments } from "../../server/processes/start-timings.js";
import type { Controller } from "../../server/processes/tree-limits.js";

/** What the keeper has of one worker. */
export interface FakeSlot {
  /** Null until it is known what a worker that was made in advance becomes. */
  order: BirthOrder | null;
  /** How it is made where that is by a program, started before it is known what for. */
  readonly inAdvance: SpawnOrder | null;
  /** What it is forked from; null when it is spawned. */
  readonly server: ProcessUid | null;
  held: boolean;
  servesForks: boolean;
  worker: Worker | null;
  end: EndReport | null;
  stdin: Buffer;
  stdinClosed: boolean;
}

type Taken = Pick<FakeSlot, "order" | "server"> &
  Partial<Pick<FakeSlot, "inAdvance">> & { readonly uid: ProcessUid };

const EMPTY = { epoch: 0, begin: 0, end: 0 };

function hasFiles({ openStdin, mergeStderr, stdout, stderr }: GoOrder): boolean {
  return !openStdin && !mergeStderr && stdout === "file" && stderr === "file";
}

/**
 * A keeper as the protocol describes it, with the test as its kernel: workers are born, fail and end
 * when the test says so, and the connection can break at any moment, with or without an order on it.
 */
export class FakeKeeper implements Keeper {
  identity: KeeperIdentity = { instance: "keeper-1", bootId: "boot-1", pidNamespace: 1n };
  readonly slots = new Map<ProcessUid, FakeSlot>();
  /** Every worker that was ever born, by the id of its process. */
  readonly births = new Map<ProcessUid, number>();
  readonly acknowledged: ProcessUid[] = [];
  readonly removedOutput: ProcessUid[] = [];
  readonly pinned: { uid: ProcessUid; cpus: CpuSet }[] = [];
  readonly signals: { uid: ProcessUid; signal: number; scope: "worker" | "tree" }[] = [];
  /** Called before an exit is forgotten. */
  onAcknowledge: (uid: ProcessUid) => void = () => undefined;
  /** Orders are lost on the way while this is set. */
  losesOrders = false;
  /** What its leaves can limit. */
  controllers: ReadonlySet<Controller> = new Set(["memory", "pids", "cpu"]);
  pipeBytes = 8;
  #events: KeeperEvents | null = null;
  readonly #unanswered: ((error: Error) => void)[] = [];
  #instances = 1;
  #pid = 100;

  get isConnected(): boolean {
    return this.#events !== null;
  }

  connect(events: KeeperEvents): void {
    this.#events = events;
    events.connected(this.identity, this.list());
  }

  disconnect(): void {
    const events = this.#events;
    this.#events = null;
    for (const reject of this.#unanswered.splice(0)) reject(unreachable());
    events?.disconnected();
  }

  /** It dies, and its workers with it as far as anyone can know; another one takes its place. */
  die(): void {
    this.disconnect();
    this.slots.clear();
    this.#instances++;
    this.identity = { ...this.identity, instance: `keeper-${this.#instances}` };
  }

  list(): readonly KeptWorker[] {
    return [...this.slots].map(([uid, { order, worker, end, servesForks }]) => ({
      uid,
      worker,
      end,
      // Also on its way there.
      held: order === null,
      servesForks,
    }));
  }

  /** The ids of workers that wait for their birth, that wait for their order, or that live. */
  uids(what: "starting" | "held" | "alive"): readonly ProcessUid[] {
    return [...this.slots].filter(([, slot]) => stageOf(slot) === what).map(([uid]) => uid);
  }

  /** What is starting is born, or not if its fork server is gone. One that has no order yet waits for it. */
  bear(uid: ProcessUid): void {
    const slot = this.slots.get(uid);
    if (slot?.worker !== null) throw new Error(`${uid} cannot be born`);
    if (slot.order?.kind !== "go" && slot.server !== null && !this.#serves(slot.server)) {
      this.fail(uid, { step: "birth", errno: "ECHILD", message: "" });
      return;
    }
    const worker = {
      keeper: this.identity,
      pid: this.#pid++,
      startTicks: BigInt(this.#pid),
      startTimeMs: 1,
      cpus: (slot.order?.kind === "spawn" ? slot.order.cpus : null) ?? [],
      cgroup: null,
    };
    slot.worker = worker;
    if (slot.order === null) {
      slot.held = true;
      this.#events?.born(uid);
      return;
    }
    this.births.set(uid, (this.births.get(uid) ?? 0) + 1);
    this.#events?.spawned(uid, worker);
  }

  /** A language process says whether it can be forked from. */
  serve(uid: ProcessUid, serves = true): void {
    const slot = this.slots.get(uid);
    if (slot === undefined || stageOf(slot) !== "alive") throw new Error(`${uid} does not live`);
    slot.servesForks = serves;
    this.#events?.serving(uid, serves);
  }

  /** Its function is about to be called. */
  call(uid: ProcessUid, moments: Moments): void {
    this.#events?.called(uid, moments);
  }

  fail(uid: ProcessUid, failure: SpawnFailure): void {
    this.slots.delete(uid);
    this.#events?.spawnFailed(uid, failure);
  }

  /** The answer to a go that came after what was held had ended. */
  refuseGo(uid: ProcessUid): void {
    this.#refuse(uid, "ECHILD");
  }

  end(uid: ProcessUid, outcome: ExitOutcome, descendantsAlive = false): void {
    const slot = this.slots.get(uid);
    if (slot === undefined) throw new Error(`There is no ${uid}`);
    if (slot.held) {
      this.fail(uid, { step: "birth", errno: "EINTR", message: "" });
      return;
    }
    slot.servesForks = false;
    slot.end = { report: exitReport(outcome), descendantsAlive };
    this.#events?.exited(uid, slot.end);
  }

  endTree(uid: ProcessUid): void {
    const slot = this.slots.get(uid);
    if (!slot?.end) throw new Error(`${uid} has not ended`);
    slot.end = { ...slot.end, descendantsAlive: false };
    this.#events?.treeGone(uid);
  }

  /** The worker reads its stdin. */
  drainStdin(uid: ProcessUid): void {
    this.pipeBytes += 8;
    this.#events?.stdinReady(uid);
  }

  spawn(order: SpawnOrder): void {
    this.#take({ uid: order.uid, order, server: null });
  }

  fork(order: ForkOrder): void {
    this.#take({ uid: order.uid, order, server: order.server });
  }

  hold(uid: ProcessUid, server: ProcessUid): void {
    this.#take({ uid, order: null, server });
  }

  spawnHeld(order: SpawnOrder): void {
    this.#take({ uid: order.uid, order: null, server: null, inAdvance: order });
  }

  go(order: GoOrder): void {
    if (this.#events === null) throw unreachable();
    if (this.losesOrders) return;
    const slot = this.slots.get(order.uid);
    if (slot?.held !== true) {
      this.#refuse(order.uid, "ECHILD");
      return;
    }
    assert.ok(slot.inAdvance === null || hasFiles(order), "it has files, and no others come");
    slot.order = order;
    slot.stdinClosed = !order.openStdin;
    slot.held = false;
    slot.worker = null;
  }

  release(uid: ProcessUid): Promise<boolean> {
    return this.#answer(() => this.#serves(uid));
  }

  enforces(controller: Controller): boolean {
    return this.controllers.has(controller);
  }

  signal(uid: ProcessUid, signal: number, scope: "worker" | "tree"): Promise<boolean> {
    return this.#answer(() => {
      const slot = this.slots.get(uid);
      this.signals.push({ uid, signal, scope });
      if (slot === undefined || slot.worker === null) return false;
      return slot.end === null || (scope === "tree" && slot.end.descendantsAlive);
    });
  }

  acknowledgeExit(uid: ProcessUid): Promise<void> {
    return this.#answer(() => {
      const slot = this.slots.get(uid);
      if (slot === undefined) return;
      if (slot.end === null || slot.end.descendantsAlive) throw new Error("ACK_EXIT gave EBUSY");
      this.onAcknowledge(uid);
      this.acknowledged.push(uid);
      this.slots.delete(uid);
    });
  }

  writeStdin(uid: ProcessUid, offset: bigint, data: Uint8Array): Promise<StdinAnswer> {
    return this.#answer((): StdinAnswer => {
      const slot = this.slots.get(uid);
      if (slot === undefined || slot.end !== null) return { kind: "ended" };
      if (slot.stdinClosed) return { kind: "not-open" };
      const next = BigInt(slot.stdin.length);
      if (offset > next) return { kind: "gap", nextOffset: next };
      const fresh = Buffer.from(data).subarray(Number(next - offset));
      const taken = fresh.subarray(0, Math.max(0, this.pipeBytes - slot.stdin.length));
      slot.stdin = Buffer.concat([slot.stdin, taken]);
      return { kind: "accepted", nextOffset: BigInt(slot.stdin.length) };
    });
  }

  closeStdin(uid: ProcessUid): Promise<StdinAnswer> {
    return this.#answer((): StdinAnswer => {
      const slot = this.slots.get(uid);
      if (slot === undefined) return { kind: "ended" };
      slot.stdinClosed = true;
      return { kind: "accepted", nextOffset: BigInt(slot.stdin.length) };
    });
  }

  scanLogs(uid: ProcessUid): Promise<boolean> {
    return this.#answer(() => this.slots.has(uid));
  }

  removeOutput(uid: ProcessUid): Promise<void> {
    return this.#answer(() => {
      this.removedOutput.push(uid);
    });
  }

  pin(uid: ProcessUid, cpus: CpuSet): Promise<boolean> {
    if (this.losesOrders && this.isConnected) {
      return new Promise((_resolve, reject) => this.#unanswered.push(reject));
    }
    return this.#answer(() => {
      const slot = this.slots.get(uid);
      if (!slot?.worker || slot.end !== null) return false;
      this.pinned.push({ uid, cpus });
      slot.worker = { ...slot.worker, cpus };
      return true;
    });
  }

  /** What its kernel says of the workers' CPUs. */
  read(workers: readonly AffinityQuestion[]): Promise<readonly (CpuSet | undefined)[]> {
    const alive = [...this.slots.values()].filter(({ end }) => end === null);
    return Promise.resolve(
      workers.map(({ pid, startTicks }) => {
        const found = alive.find(({ worker }) => worker?.pid === pid);
        return found?.worker?.startTicks === startTicks ? found.worker.cpus : undefined;
      }),
    );
  }

  adopt(): Promise<null> {
    return this.#answer(() => null);
  }

  #take({ uid, order, server, inAdvance = null }: Taken): void {
    if (this.#events === null) throw unreachable();
    if (this.losesOrders) return;
    if (this.births.has(uid) || this.slots.has(uid)) {
      throw new Error(`The id ${uid} was used before`);
    }
    if (server !== null && !this.#serves(server)) {
      this.#refuse(uid, "ESRCH");
      return;
    }
    this.slots.set(uid, {
      order,
      inAdvance,
      server,
      held: false,
      servesForks: false,
      worker: null,
      end: null,
      stdin: Buffer.alloc(0),
      stdinClosed: order?.openStdin !== true,
    });
  }

  /** There is nothing that could be forked from, or told to go. */
  #refuse(uid: ProcessUid, errno: string): void {
    const events = this.#events;
    queueMicrotask(() => {
      // The refusal is lost with the connection.
      if (this.#events !== events) return;
      events?.spawnFailed(uid, { step: "request", errno, message: "" });
    });
  }

  #serves(uid: ProcessUid): boolean {
    const slot = this.slots.get(uid);
    return slot !== undefined && slot.end === null && slot.servesForks;
  }

  async #answer<T>(answer: () => T): Promise<T> {
    const events = this.#events;
    if (events === null) throw unreachable();
    const value = answer();
    await Promise.resolve();
    // The answer was on its way when the connection broke.
    if (this.#events !== events) throw unreachable();
    return value;
  }
}

function stageOf({ worker, end, held }: FakeSlot): "starting" | "held" | "alive" | "ended" {
  if (end !== null) return "ended";
  if (worker === null) return "starting";
  return held ? "held" : "alive";
}

export function exitReport(outcome: ExitOutcome): ExitReport {
  return {
    outcome,
    source: "waitid",
    usage: null,
    endTimeMs: 2,
    output: { stdout: EMPTY, stderr: EMPTY },
  };
}

function unreachable(): DomainError {
  return new DomainError("keeper-unreachable", "The keeper does not answer");
}
