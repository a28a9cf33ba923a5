import { Deadlines } from "../core/deadlines.js";
import { DomainError } from "../core/errors.js";
import { type ProcessUid } from "../core/ids.js";
import { Watchers } from "../core/watchers.js";
import { type AffinityCheck } from "./affinity-check.js";
import { EndAcknowledgements } from "./end-acknowledgements.js";
import { type ForkServers, isLateGo } from "./fork-servers.js";
import { type EndReport, type KeeperEvents, type KeptWorker, type SpawnFailure } from "./keeper.js";
import { KeeperRetries } from "./keeper-retries.js";
import { lossOf } from "./loss.js";
import { type Placements } from "./placements.js";
import { type ProcessRecord } from "./process-record.js";
import {
  type Effect,
  hasEnded,
  isToldAgain,
  type KeeperIdentity,
  type LostReason,
  pendingEffects,
  type ProcessEvent,
  step,
  treeHasEnded,
  type Worker,
} from "./process-state.js";
import { Reunion, type ReunionParts } from "./reunion.js";
import { spawnError } from "./spawn-error.js";
import { type StartClock } from "./start-clock.js";
import { type Moments, startTimings } from "./start-timings.js";
import { targetName } from "./target.js";

/** What the supervisor has to tell an operator. */
export interface SupervisorLog {
  info(message: string, fields: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields: Readonly<Record<string, unknown>>): void;
}

export interface SupervisorParts extends ReunionParts {
  readonly placements: Placements;
  readonly affinityCheck: AffinityCheck;
  readonly startClock: StartClock;
  readonly forkServers: ForkServers;
  readonly log: SupervisorLog;
}

/**
 * Puts events through `step` and does what it says: the one place where the state of a process
 * changes. An end is acknowledged to the keeper only when the record of it is kept.
 */
export class Supervisor implements KeeperEvents, Disposable {
  readonly #parts: SupervisorParts;
  /** Of processes that have been told to end. */
  readonly #deadlines: Deadlines<ProcessUid>;
  readonly #stdin = new Watchers<ProcessUid>();
  readonly #retries: KeeperRetries;
  readonly #acknowledgements: EndAcknowledgements;
  readonly #reunion: Reunion;
  #identity: KeeperIdentity | null = null;

  constructor(parts: SupervisorParts) {
    this.#parts = parts;
    const { keeper, removal, clock, log } = parts;
    this.#deadlines = new Deadlines(clock);
    this.#retries = new KeeperRetries(clock, log);
    this.#acknowledgements = new EndAcknowledgements(keeper, removal, this.#retries);
    this.#reunion = new Reunion(parts, this, this.#retries, this.#acknowledgements);
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
    const { writer } = this.#parts;
    const kept = isToldAgain(event) ? writer.keepSoon(uid) : writer.keep(uid);
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
    this.#reunion.with(identity, workers);
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
    this.#stdin.wakeAll();
  }

  spawned(uid: ProcessUid, worker: Worker): void {
    if (this.#parts.table.byUid(uid) === undefined)
      this.#reunion.takeIn({ uid, worker, end: null, held: false, servesForks: false });
    this.apply(uid, { kind: "spawned", worker });
    this.#parts.placements.spawned(uid);
    this.#parts.affinityCheck.begin();
    this.#parts.births.succeed(uid);
    this.#parts.forkServers.noteBorn(uid);
  }

  spawnFailed(uid: ProcessUid, failure: SpawnFailure): void {
    const record = this.#parts.table.byUid(uid);
    // One that was made in advance, and died before its order: that is about to fail.
    if (record === undefined || this.#parts.births.awaitsOrder(uid)) return;
    if (isLateGo(failure) && this.#parts.births.orderOf(uid)?.kind !== "go") return;
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

  /** Nobody will ever know how it ended. */
  lose(uid: ProcessUid, reason: LostReason): void {
    this.#parts.log.warn("process lost", { uid, reason });
    this.#parts.forkServers.noteGone(uid);
    this.apply(uid, { kind: "lost", loss: lossOf(reason, this.#parts.clock.wallTime()) });
  }

  /** Only templates have held workers. */
  born(): void {
    return;
  }

  serving(uid: ProcessUid, serves: boolean): void {
    const record = this.#parts.table.byUid(uid);
    if (record === undefined || record.servesForks === serves || hasEnded(record.state)) return;
    this.#parts.table.put({ ...record, servesForks: serves });
    void this.#parts.writer.keepSoon(uid);
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
    const { report, descendantsAlive } = end;
    if (report === null) this.lose(uid, "keeper-died");
    else this.apply(uid, { kind: "exited", report, descendantsAlive });
  }

  treeGone(uid: ProcessUid): void {
    this.apply(uid, { kind: "tree-gone" });
  }

  stdinReady(uid: ProcessUid): void {
    this.#stdin.wake(uid);
  }

  /** Calls back when the pipe may take more, or the keeper has gone, until disposed. */
  watchStdin(uid: ProcessUid, wake: () => void): Disposable {
    return this.#stdin.watch(uid, wake);
  }

  [Symbol.dispose](): void {
    this.#retries[Symbol.dispose]();
    this.#deadlines[Symbol.dispose]();
  }

  #perform(uid: ProcessUid, effect: Effect): void {
    switch (effect.kind) {
      case "arm-stop-deadline":
        this.#deadlines.arm(uid, effect.atMs, () => {
          this.apply(uid, { kind: "stop-deadline" });
        });
        return;
      case "signal":
        // When the keeper is away the signal is sent again as soon as it is back.
        this.#parts.keeper.signal(uid, effect.signal, effect.scope).catch((error: unknown) => {
          this.#parts.log.warn("signal could not be sent", { uid, signal: effect.signal, error });
        });
        return;
    }
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
    this.#acknowledgements.whenKept(uid, kept);
  }

  #neverBorn(record: ProcessRecord, reason: Error): void {
    this.#parts.forkServers.noteGone(record.uid);
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
}
