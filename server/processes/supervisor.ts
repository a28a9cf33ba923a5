import { type Clock } from "../core/clock.js";
import { DomainError } from "../core/errors.js";
import { type ProcessUid } from "../core/ids.js";
import { type CpuLedger } from "../cpus/cpu-ledger.js";
import { type Births } from "./births.js";
import { type ForkServers } from "./fork-servers.js";
import {
  type EndReport,
  give,
  type Keeper,
  type KeeperEvents,
  type KeptWorker,
  type SpawnFailure,
} from "./keeper.js";
import { type AffinityCheck } from "./affinity-check.js";
import { type Placements } from "./placements.js";
import { type ProcessRecord } from "./process-record.js";
import {
  type Effect,
  hasEnded,
  type KeeperIdentity,
  type LostReason,
  type ProcessEvent,
  step,
  pendingEffects,
  treeHasEnded,
  type Worker,
} from "./process-state.js";
import { type ProcessTable } from "./process-table.js";
import { type Finding, reconcile } from "./reconciliation.js";
import { type RecordWriter } from "./record-writer.js";
import { type Removal } from "./removal.js";
import { spawnError } from "./spawn-error.js";
import { type StartClock } from "./start-clock.js";
import { type Moments, startTimings } from "./start-timings.js";
import { StopDeadlines } from "./stop-deadlines.js";
import { strangerRecord } from "./stranger.js";
import { targetName } from "./target.js";

const RETRY_MS = 1000;

/** What the supervisor has to tell an operator. */
export interface SupervisorLog {
  info(message: string, fields: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields: Readonly<Record<string, unknown>>): void;
}

export interface SupervisorParts {
  readonly table: ProcessTable;
  readonly ledger: CpuLedger<ProcessUid>;
  readonly placements: Placements;
  readonly affinityCheck: AffinityCheck;
  readonly keeper: Keeper;
  readonly births: Births;
  readonly startClock: StartClock;
  readonly forkServers: ForkServers;
  readonly writer: RecordWriter;
  readonly removal: Removal;
  /** Records of an earlier daemon that may be out of date. */
  readonly suspects: ReadonlySet<ProcessUid>;
  readonly clock: Clock;
  readonly log: SupervisorLog;
}

/**
 * Puts events through `step` and does what it says: the one place where the state of a process
 * changes. An end is acknowledged to the keeper only when the record of it is kept.
 */
export class Supervisor implements KeeperEvents, Disposable {
  readonly #parts: SupervisorParts;
  readonly #deadlines: StopDeadlines;
  readonly #stdinWaiters = new Map<ProcessUid, Set<() => void>>();
  readonly #closed = new AbortController();
  #identity: KeeperIdentity | null = null;

  constructor(parts: SupervisorParts) {
    this.#parts = parts;
    this.#deadlines = new StopDeadlines(parts.clock, (uid) => {
      this.apply(uid, { kind: "stop-deadline" });
    });
  }

  /** The keeper that is connected now. */
  get keeperIdentity(): KeeperIdentity | null {
    return this.#identity;
  }

  /** One event of one process. Undefined when there is no such process. */
  apply(uid: ProcessUid, event: ProcessEvent): ProcessRecord | undefined {
    const record = this.#parts.table.byUid(uid);
    if (record === undefined) return undefined;
    const [state, effects] = step(record.state, event);
    if (state === record.state) return record;
    const changed = this.#parts.table.put({ ...record, state });
    const kept = this.#parts.writer.keep(uid);
    for (const effect of effects) this.#perform(uid, effect);
    if (hasEnded(state)) this.#ended(changed, kept);
    if (event.kind === "stop-requested" && this.#parts.forkServers.withdraws(uid)) {
      const name = targetName(record.spec.target);
      const message = `${record.name} was stopped while it waited for the fork server of ${name}`;
      this.cannotStart(
        uid,
        new DomainError("start-interrupted", message, { facts: { step: "fork" } }),
      );
    }
    return changed;
  }

  connected(identity: KeeperIdentity, workers: readonly KeptWorker[]): void {
    this.#identity = identity;
    const records = [...this.#parts.table.all()];
    // As of now: a birth that is found makes room for an order, which this keeper gets once.
    const unordered = new Set(
      records.filter(({ uid }) => this.#parts.births.awaitsOrder(uid)).map(({ uid }) => uid),
    );
    for (const finding of reconcile(records, identity, workers)) this.#act(finding, unordered);
    const serving = new Set(workers.filter((worker) => worker.servesForks).map(({ uid }) => uid));
    for (const { uid, servesForks } of this.#parts.table.all()) {
      if (servesForks || serving.has(uid)) this.serving(uid, serving.has(uid));
    }
    for (const { uid, state } of this.#parts.table.all()) {
      // Whether the signal had been sent before the connection broke is not known.
      for (const effect of pendingEffects(state)) this.#perform(uid, effect);
    }
    this.#parts.placements.connected();
    this.#parts.affinityCheck.begin();
    this.#parts.removal.resume();
  }

  disconnected(): void {
    this.#identity = null;
    this.#parts.removal.pause();
    for (const waiters of this.#stdinWaiters.values()) for (const wake of [...waiters]) wake();
  }

  spawned(uid: ProcessUid, worker: Worker): void {
    if (this.#parts.table.byUid(uid) === undefined)
      this.#takeIn({ uid, worker, end: null, held: false, servesForks: false });
    this.apply(uid, { kind: "spawned", worker });
    this.#parts.placements.spawned(uid);
    this.#parts.affinityCheck.begin();
    this.#parts.births.succeed(uid);
    this.#parts.forkServers.noteBorn(uid);
  }

  spawnFailed(uid: ProcessUid, failure: SpawnFailure): void {
    const record = this.#parts.table.byUid(uid);
    // One that was forked in advance, and died before its order: that is about to fail.
    if (record === undefined || this.#parts.births.awaitsOrder(uid)) return;
    // A create that was stopped meanwhile is not tried again.
    const wanted = record.state.kind === "starting" && record.state.stop === null;
    this.#parts.births.withdraw(uid);
    if (wanted && this.#parts.forkServers.retries(uid, failure)) return;
    this.#neverBorn(record, spawnError(failure, record.spec));
  }

  /** Its fork server cannot be made. */
  cannotStart(uid: ProcessUid, error: Error): void {
    const record = this.#parts.table.byUid(uid);
    if (record !== undefined) this.#neverBorn(record, error);
  }

  /** Only templates have held workers. */
  born(): void {
    return;
  }

  serving(uid: ProcessUid, serves: boolean): void {
    const record = this.#parts.table.byUid(uid);
    if (record === undefined || record.servesForks === serves || hasEnded(record.state)) return;
    this.#parts.table.put({ ...record, servesForks: serves });
    void this.#parts.writer.keep(uid);
  }

  /** Kept with the next change of the record: a crash may lose it, and nothing depends on it. */
  called(uid: ProcessUid, moments: Moments): void {
    const record = this.#parts.table.byUid(uid);
    const create = this.#parts.startClock.take(uid);
    if (record === undefined || create === undefined) return;
    const birth = { ...record.birth, timings: startTimings(create, moments) };
    this.#parts.table.put({ ...record, birth });
  }

  exited(uid: ProcessUid, end: EndReport): void {
    this.#end(uid, end);
  }

  treeGone(uid: ProcessUid): void {
    this.apply(uid, { kind: "tree-gone" });
  }

  stdinReady(uid: ProcessUid): void {
    for (const wake of [...(this.#stdinWaiters.get(uid) ?? [])]) wake();
  }

  /** Calls back when the pipe may take more, or the keeper has gone, until disposed. */
  watchStdin(uid: ProcessUid, wake: () => void): Disposable {
    const waiters = this.#stdinWaiters.get(uid) ?? new Set();
    this.#stdinWaiters.set(uid, waiters);
    waiters.add(wake);
    return {
      [Symbol.dispose]: () => {
        waiters.delete(wake);
        if (waiters.size === 0) this.#stdinWaiters.delete(uid);
      },
    };
  }

  [Symbol.dispose](): void {
    this.#closed.abort(new Error("The daemon stops"));
    this.#deadlines[Symbol.dispose]();
  }

  #perform(uid: ProcessUid, effect: Effect): void {
    switch (effect.kind) {
      case "arm-stop-deadline":
        this.#deadlines.arm(uid, effect.atMs);
        return;
      case "signal":
        // When the keeper is away the signal is sent again as soon as it is back.
        this.#parts.keeper.signal(uid, effect.signal, effect.scope).catch((error: unknown) => {
          this.#parts.log.warn("signal could not be sent", { uid, signal: effect.signal, error });
        });
        return;
    }
  }

  /** `unordered`: no keeper has heard of these intents before this one. */
  #act(finding: Finding, unordered: ReadonlySet<ProcessUid>): void {
    const { births, keeper, log, removal } = this.#parts;
    switch (finding.kind) {
      case "spawned":
        this.spawned(finding.uid, finding.worker);
        return;
      case "exited":
        this.#end(finding.uid, finding.end);
        return;
      case "tree-gone":
        this.treeGone(finding.uid);
        return;
      case "acknowledge":
        this.#acknowledgeKept(finding.uid, this.#parts.writer.keep(finding.uid));
        return;
      case "forgotten":
        removal.noteAcknowledged(finding.uid);
        return;
      case "not-born": {
        // An intent whose order is about to be given needs nothing.
        if (unordered.has(finding.uid)) return;
        const order = births.orderOf(finding.uid);
        const record = this.#parts.table.byUid(finding.uid);
        if (order !== undefined) give(keeper, order);
        else if (record !== undefined) {
          // Where later records were damaged, it may have been born, and have ended.
          if (this.#parts.suspects.has(record.uid)) this.#lose(record.uid, "record-damaged");
          else this.#neverBorn(record, null);
        }
        return;
      }
      case "adopt":
        this.#adopt(finding.uid, finding.worker);
        return;
      case "lost":
        // Its order goes to the keeper that is there then.
        if (unordered.has(finding.uid)) this.#redirect(finding.uid);
        else this.#lose(finding.uid, finding.reason);
        return;
      case "unknown":
        log.warn("worker without a record found", { uid: finding.kept.uid });
        this.#takeIn(finding.kept);
        return;
    }
  }

  #end(uid: ProcessUid, { report, descendantsAlive }: EndReport): void {
    if (report === null) this.#lose(uid, "keeper-died");
    else this.apply(uid, { kind: "exited", report, descendantsAlive });
  }

  #ended(record: ProcessRecord, kept: Promise<void>): void {
    const { uid, state, spec } = record;
    this.#deadlines.disarm(uid);
    // Programs call no function that would take it.
    this.#parts.startClock.take(uid);
    if (record.servesForks) this.#parts.table.put({ ...record, servesForks: false });
    if (state.kind === "lost") {
      const error = new DomainError(
        "keeper-unreachable",
        `${targetName(spec.target)}: ${state.loss.message}`,
      );
      this.#parts.births.fail(uid, error);
    }
    this.stdinReady(uid);
    if (!treeHasEnded(state)) return;
    this.#parts.placements.release(uid);
    this.#parts.removal.noteEnded(record);
    this.#acknowledgeKept(uid, kept);
  }

  #acknowledgeKept(uid: ProcessUid, kept: Promise<void>): void {
    kept.then(
      () => {
        this.#acknowledge(uid);
      },
      // The daemon stops and the record is not kept: the next one learns it from the keeper again.
      () => undefined,
    );
  }

  #acknowledge(uid: ProcessUid): void {
    this.#parts.keeper.acknowledgeExit(uid).then(
      () => {
        this.#parts.removal.noteAcknowledged(uid);
      },
      (error: unknown) => {
        this.#again("end could not be acknowledged", uid, error, () => {
          this.#acknowledge(uid);
        });
      },
    );
  }

  #neverBorn(record: ProcessRecord, error: Error | null): void {
    this.#parts.forkServers.noteGone(record.uid);
    const reason =
      error ?? new DomainError("keeper-unreachable", "The order did not reach the keeper");
    this.#parts.placements.release(record.uid);
    this.#deadlines.disarm(record.uid);
    this.#parts.startClock.take(record.uid);
    this.#parts.removal.forgetUnborn(record).then(
      () => {
        this.#parts.births.fail(record.uid, reason);
      },
      (failure: unknown) => {
        this.#parts.log.warn("record could not be removed", { uid: record.uid, error: failure });
        this.#parts.births.fail(record.uid, reason);
      },
    );
  }

  #adopt(uid: ProcessUid, worker: Worker): void {
    const identity = this.#identity;
    const record = this.#parts.table.byUid(uid);
    if (identity === null || record === undefined) return;
    this.#parts.keeper.adopt(uid, worker, record.spec).then(
      (adoption) => {
        if (adoption === null) this.#lose(uid, "keeper-died");
        else this.apply(uid, { kind: "adopted", keeper: identity, ...adoption });
      },
      (error: unknown) => {
        this.#again("worker could not be adopted", uid, error, () => {
          this.#adopt(uid, worker);
        });
      },
    );
  }

  /** A connection that is gone needs no retry: the next one begins with a look at all workers. */
  #again(message: string, uid: ProcessUid, error: unknown, action: () => void): void {
    if (error instanceof DomainError && error.code === "keeper-unreachable") return;
    this.#parts.log.warn(message, { uid, error });
    this.#parts.clock.sleep(RETRY_MS, this.#closed.signal).then(action, () => undefined);
  }

  #redirect(uid: ProcessUid): void {
    if (this.#identity !== null) this.apply(uid, { kind: "redirected", keeper: this.#identity });
  }

  #lose(uid: ProcessUid, reason: LostReason): void {
    this.#parts.log.warn("process lost", { uid, reason });
    this.#parts.forkServers.noteGone(uid);
    const loss = { reason, message: LOSSES[reason], endTimeMs: this.#parts.clock.wallTime() };
    this.apply(uid, { kind: "lost", loss });
  }

  #takeIn(kept: KeptWorker): void {
    const { table, clock, ledger, writer } = this.#parts;
    if (this.#identity === null) return;
    const record = strangerRecord(kept, table.nextName(), this.#identity, clock.wallTime());
    ledger.restore(record.uid, record.spec.cpus, record.placement);
    table.put(record);
    void writer.keep(record.uid);
    if (kept.end !== null) this.#end(kept.uid, kept.end);
  }
}

const LOSSES: Readonly<Record<LostReason, string>> = {
  reboot: "The host was restarted while the worker ran",
  "keeper-died": "The keeper died, and the kernel keeps no exit status without it",
  "namespace-gone": "The pid namespace that the worker lived in is gone",
  "record-damaged": "The record of how it ended was damaged on disk",
};
