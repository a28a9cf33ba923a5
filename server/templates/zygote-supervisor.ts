import { type ProcessUid } from "../core/ids.js";
import {
  type EndReport,
  isKeeperAway,
  type KeptWorker,
  type SpawnFailure,
} from "../processes/keeper.js";
import { type Worker } from "../processes/process-state.js";
import { isExhaustion } from "../processes/spawn-error.js";
import { ForkWork } from "./fork-work.js";
import { LivingZygotes } from "./living-zygotes.js";
import { PrestartedWorkers } from "./prestarted-workers.js";
import { TemplateChanges } from "./template-changes.js";
import { inGeneration } from "./template-record.js";
import { phaseOf } from "./template-state.js";
import { ended, notStarted } from "./zygote-failures.js";
import { findingOf } from "./zygote-reconciliation.js";
import { failureOf, type TemplateFailure, type ZygoteReport } from "./zygote-report.js";
import { ZygoteStarter, type ZygoteStarterParts } from "./zygote-starter.js";

/** What a zygote has left in its directory. */
export interface ZygoteFiles {
  /** Its report, or its failure; null when it has written neither. */
  report(uid: ProcessUid): Promise<ZygoteReport | TemplateFailure | null>;
  /** The end of what it wrote. */
  tail(uid: ProcessUid, stream: "stdout" | "stderr"): Promise<string>;
}

export interface ZygoteLog {
  info(message: string, fields: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields: Readonly<Record<string, unknown>>): void;
}

export interface ZygoteSupervisorParts extends Omit<
  ZygoteStarterParts,
  "work" | "failed" | "tooSlow"
> {
  readonly files: ZygoteFiles;
  readonly log: ZygoteLog;
  readonly newUid: () => ProcessUid;
}

const END_ALL_MS = 2000;
const END_POLL_MS = 5;

/**
 * Follows zygotes from their start until nothing is left of them, and says what happens to them of their templates. A
 * zygote is kept before it is started, so that a daemon that comes after knows it for what it is.
 */
export class ZygoteSupervisor implements AsyncDisposable {
  /** What happens to templates. */
  readonly changes: TemplateChanges;
  /** What zygotes are asked to do. */
  readonly work: ForkWork;
  readonly #parts: ZygoteSupervisorParts;
  readonly #starter: ZygoteStarter;
  readonly #prestarted: PrestartedWorkers;
  readonly #closed = new AbortController();
  readonly #living: LivingZygotes;
  readonly #pending = new Set<Promise<void>>();

  constructor(parts: ZygoteSupervisorParts) {
    this.#parts = parts;
    const { table, keeper, clock, log, newUid, recipe } = parts;
    this.#living = new LivingZygotes(keeper, log);
    this.work = new ForkWork({
      table,
      keeper,
      clock,
      newUid,
      recipe,
      want: (name) => {
        this.changes.want(name);
      },
      silent: (uid) => {
        this.#silent(uid);
      },
      prestart: (name, uid) => {
        this.#follow(this.#prestarted.start(name, uid));
      },
      discard: (uid) => {
        this.#discard(uid);
      },
      kill: (uid) => {
        this.#living.kill(uid);
      },
      closed: this.#closed.signal,
    });
    this.#prestarted = new PrestartedWorkers({
      ...parts,
      isWanted: (uid) => this.work.isWarm(uid),
      gone: (uid) => {
        this.work.warmGone(uid, null);
      },
      kill: (uid) => {
        this.#living.kill(uid);
      },
    });
    this.#starter = new ZygoteStarter({
      ...parts,
      work: this.work,
      failed: (name, uid, failure, passes) => {
        this.#forget(uid);
        this.changes.apply(name, { kind: "failed", uid, failure, passes });
      },
      tooSlow: (uid, failure) => {
        this.#living.condemn(uid, failure);
      },
    });
    this.changes = new TemplateChanges({
      ...parts,
      work: this.work,
      start: (name, uid) => {
        this.#follow(this.#starter.start(name, uid));
      },
      end: (uid) => {
        this.#end(uid);
      },
      closed: this.#closed.signal,
    });
  }

  /** Nothing serves any more, and what waits for it fails; the record goes when its last zygote has gone. */
  delete(name: string): void {
    this.changes.apply(name, { kind: "deleted" });
    this.work.end(name);
    for (const { uid } of this.#parts.table.byName(name)?.record.zygotes ?? []) this.#end(uid);
    this.#removeDeleted(name);
  }

  /** The process that a zygote is; undefined until it has started. */
  workerOf(uid: ProcessUid): Worker | undefined {
    return this.#living.workerOf(uid);
  }

  /** Whether the keeper's word about this id is for us. */
  owns({ uid, held }: Pick<KeptWorker, "uid" | "held">): boolean {
    return held || this.#parts.table.ofZygote(uid) !== undefined || this.work.isWarm(uid);
  }

  connected(workers: readonly KeptWorker[]): void {
    const known = new Map(workers.map((worker) => [worker.uid, worker]));
    for (const worker of workers) {
      // Nobody is left who knew what it was for.
      const isTaken = this.work.isWarm(worker.uid) || this.work.isUnderWay(worker.uid);
      if (worker.held && !isTaken) this.#living.kill(worker.uid);
    }
    this.work.reconcileWarm((uid) => {
      const worker = known.get(uid);
      if (worker === undefined) return "gone";
      return worker.held && worker.worker !== null ? "held" : "starting";
    });
    for (const template of [...this.#parts.table.all()]) {
      // The newest first: of several that serve on it is the one.
      for (const { uid } of template.record.zygotes.toReversed())
        this.#reconcile(template.record.name, uid, known.get(uid));
    }
    for (const { record, state } of [...this.#parts.table.all()]) {
      this.#removeDeleted(record.name);
      const wanted = !record.builtIn || this.#parts.table.childrenOf(record.name).length > 0;
      if (!record.deleted && wanted && phaseOf(state) === "idle") this.changes.want(record.name);
      this.work.pump(record.name);
    }
  }

  spawned(uid: ProcessUid, worker: Worker): void {
    // One that was forked from its parent's was a job of the parent.
    this.work.noteBorn(uid);
    this.#living.noteStarted(uid, worker);
    this.#parts.log.info("zygote started", { template: this.#nameOf(uid), uid, pid: worker.pid });
  }

  spawnFailed(uid: ProcessUid, failure: SpawnFailure): void {
    this.#prestarted.settle(uid);
    if (this.work.isWarm(uid)) {
      this.work.warmGone(uid, failure);
      return;
    }
    const template = this.#parts.table.ofZygote(uid);
    if (template === undefined) return;
    const { record, state } = template;
    const verdict = this.#living.verdictOf(uid);
    const wanted = state.loading?.uid === uid;
    const { generation } = state.loading ?? record;
    if (wanted && verdict === undefined && this.work.retries(uid, failure)) {
      this.#starter.noteWaits(uid);
      return;
    }
    this.#forget(uid);
    this.changes.apply(record.name, {
      kind: "failed",
      uid,
      failure: verdict ?? notStarted(failure, this.#parts.recipe(inGeneration(record, generation))),
      passes: verdict === undefined && isExhaustion(failure),
    });
  }

  exited(uid: ProcessUid, end: EndReport): void {
    const template = this.#parts.table.ofZygote(uid);
    if (template?.state.serving?.uid === uid) {
      // At once: nothing is to be forked from it any more.
      const { name } = template.record;
      const death = ended(end.report?.outcome ?? null);
      this.#parts.log.warn("zygote died", { template: name, uid, how: death.message });
      this.changes.died(name, uid, death);
    }
    this.#follow(this.#exited(uid, end));
  }

  born(uid: ProcessUid): void {
    this.#prestarted.settle(uid);
    this.work.warmBorn(uid);
  }

  serving(uid: ProcessUid, serves: boolean): void {
    if (serves) this.#follow(this.#loaded(uid));
  }

  /** No workers are left, and none are made any more: zygotes and what they hold go. Waits a little until they have. */
  async endAll(): Promise<void> {
    this.#closed.abort(new Error("The daemon stops"));
    this.work.endWarm();
    const uids = [...this.#parts.table.all()].flatMap(({ record }) => record.zygotes);
    for (const { uid } of uids) this.#living.kill(uid);
    const deadline = this.#parts.clock.now() + END_ALL_MS;
    const isLeft = (): boolean =>
      uids.some(({ uid }) => this.#parts.table.ofZygote(uid) !== undefined);
    while (isLeft() && this.#parts.clock.now() < deadline)
      await this.#parts.clock.sleep(END_POLL_MS);
    await Promise.allSettled(this.#pending);
  }

  /** Resolves when nothing is under way any more. Zygotes go on: the next daemon takes them over. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(new Error("The daemon stops"));
    this.#starter.disarmAll();
    this.#prestarted[Symbol.dispose]();
    await Promise.allSettled(this.#pending);
  }

  #reconcile(name: string, uid: ProcessUid, known: KeptWorker | undefined): void {
    const template = this.#parts.table.byName(name);
    if (template === undefined) return;
    if (known?.worker) {
      this.#living.noteStarted(uid, known.worker);
      // What was forked may be told only by this look.
      this.work.noteBorn(uid);
    }
    if (known?.end === null && this.#living.verdictOf(uid) !== undefined) {
      // It was condemned while the keeper was away.
      this.#living.kill(uid);
      return;
    }
    const finding = findingOf(template, uid, known);
    switch (finding.kind) {
      case "gone":
        this.#forget(uid);
        this.#discard(uid);
        if (finding.was === "loading") this.changes.reload(name);
        else if (finding.was === "serving")
          this.changes.died(name, uid, failureOf("Its keeper has died"));
        return;
      case "ended":
        this.exited(uid, finding.end);
        return;
      case "superfluous":
        this.#living.kill(uid);
        return;
      case "found":
        this.changes.apply(name, { kind: "found", zygote: finding.zygote });
        this.serving(uid, true);
        return;
      case "loaded":
        this.serving(uid, true);
        return;
      case "as-known":
        return;
    }
  }

  async #loaded(uid: ProcessUid): Promise<void> {
    const name = this.#nameOf(uid);
    if (name === undefined || this.#parts.table.byName(name)?.state.loading?.uid !== uid) return;
    this.#starter.disarm(uid);
    const report = await this.#parts.files.report(uid);
    if (report !== null && "canFork" in report) {
      this.changes.loaded(name, uid, report);
      return;
    }
    const why = report ?? failureOf("Its zygote is ready and left no report");
    this.#living.condemn(uid, why);
  }

  async #exited(uid: ProcessUid, { report }: EndReport): Promise<void> {
    const name = this.#nameOf(uid);
    this.#starter.disarm(uid);
    const said = await this.#parts.files.report(uid);
    const stderrTail = await this.#parts.files.tail(uid, "stderr");
    const template = name === undefined ? undefined : this.#parts.table.byName(name);
    if (
      name !== undefined &&
      template?.state.loading?.uid === uid &&
      said !== null &&
      "canFork" in said &&
      !said.canFork
    ) {
      this.#parts.log.warn("template cannot be forked here", { template: name, reason: said.why });
      this.changes.loaded(name, uid, said);
    } else if (name !== undefined) {
      const spoken = said !== null && !("canFork" in said) ? { ...said, stderrTail } : null;
      const silent = ended(report?.outcome ?? null, stderrTail);
      const failure = this.#living.verdictOf(uid) ?? spoken ?? silent;
      this.changes.died(name, uid, failure);
    }
    await this.#parts.keeper.acknowledgeExit(uid);
    await this.#parts.keeper.removeOutput(uid);
    this.#forget(uid);
  }

  /** It is over, and nothing of it is left. */
  #forget(uid: ProcessUid): void {
    this.#starter.withdraw(uid);
    this.#living.forget(uid);
    const template = this.#parts.table.ofZygote(uid);
    if (template === undefined) return;
    const zygotes = template.record.zygotes.filter((zygote) => zygote.uid !== uid);
    const { record } = this.#parts.table.put({
      ...template,
      record: { ...template.record, zygotes },
    });
    if (this.#removeDeleted(record.name)) return;
    // A record that still names it does no harm: the keeper will not know it.
    this.#follow(this.#parts.store.save(record));
  }

  /** It went with its keeper, and its files with nobody. */
  #discard(uid: ProcessUid): void {
    this.#follow(this.#parts.keeper.removeOutput(uid));
  }

  /** True when it was the last of a template that is deleted. */
  #removeDeleted(name: string): boolean {
    const record = this.#parts.table.byName(name)?.record;
    if (record === undefined || !record.deleted || record.zygotes.length > 0) return false;
    this.#parts.table.remove(name);
    this.#follow(this.#parts.store.remove(name));
    return true;
  }

  /** Wherever it is on its way, nothing is left of it. */
  #end(uid: ProcessUid): void {
    if (this.#starter.withdraw(uid)) this.#forget(uid);
    else if (this.#nameOf(uid) !== undefined) this.#living.kill(uid);
  }

  /** Another takes its place at once, before anything more is asked of it: its end may take a while. */
  #silent(uid: ProcessUid): void {
    const template = this.#parts.table.ofZygote(uid);
    if (template?.state.serving?.uid !== uid) return;
    const { name } = template.record;
    const how = "Its zygote answered nobody, as one that is stopped, and was ended";
    this.#parts.log.warn("zygote does not answer", { template: name, uid });
    this.changes.died(name, uid, failureOf(how));
    this.#living.kill(uid);
  }

  #nameOf(uid: ProcessUid): string | undefined {
    return this.#parts.table.ofZygote(uid)?.record.name;
  }

  #follow(work: Promise<void>): void {
    const followed = work
      .catch((error: unknown) => {
        if (isKeeperAway(error)) return;
        this.#parts.log.warn("a zygote could not be seen to", { error });
      })
      .finally(() => {
        this.#pending.delete(followed);
      });
    this.#pending.add(followed);
  }
}
