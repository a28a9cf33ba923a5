import { type ProcessUid } from "../core/ids.js";
import {
  type EndReport,
  isKeeperAway,
  type KeptWorker,
  type SpawnFailure,
} from "../processes/keeper.js";
import { type ExitOutcome, type Worker } from "../processes/process-state.js";
import { SIGKILL, signalName } from "../processes/signals.js";
import { isExhaustion } from "../processes/spawn-error.js";
import { ForkWork } from "./fork-work.js";
import { phaseOf, step, type TemplateEffect, type TemplateEvent } from "./template-state.js";
import { type Template } from "./template-table.js";
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
 * Puts what happens to zygotes through `step` and does what it says: the one place where the state of a template
 * changes. A zygote is kept before it is started, so that a daemon that comes after knows it for what it is.
 */
export class ZygoteSupervisor implements AsyncDisposable {
  readonly #parts: ZygoteSupervisorParts;
  readonly #work: ForkWork;
  readonly #starter: ZygoteStarter;
  readonly #closed = new AbortController();
  readonly #workers = new Map<ProcessUid, Worker>();
  /** Why a zygote that is about to end was ended. */
  readonly #verdicts = new Map<ProcessUid, TemplateFailure>();
  readonly #pending = new Set<Promise<void>>();

  constructor(parts: ZygoteSupervisorParts) {
    this.#parts = parts;
    const { table, keeper, clock, newUid, recipe } = parts;
    this.#work = new ForkWork({
      table,
      keeper,
      clock,
      newUid,
      recipe,
      want: (name) => {
        this.want(name);
      },
      silent: (uid) => {
        this.#silent(uid);
      },
      kill: (uid) => {
        this.#kill(uid, SIGKILL);
      },
      closed: this.#closed.signal,
    });
    this.#starter = new ZygoteStarter({
      ...parts,
      work: this.#work,
      failed: (name, uid, failure, passes) => {
        this.#forget(uid);
        this.apply(name, { kind: "failed", uid, failure, passes });
      },
      tooSlow: (uid, failure) => {
        this.#verdicts.set(uid, failure);
        this.#kill(uid, SIGKILL);
      },
    });
  }

  /** What zygotes are asked to do. */
  get work(): ForkWork {
    return this.#work;
  }

  apply(name: string, event: TemplateEvent): void {
    const template = this.#parts.table.byName(name);
    if (template === undefined) return;
    const [state, effects] = step(template.state, event);
    if (state === template.state) return;
    const record =
      state.newest === template.record.generation
        ? template.record
        : { ...template.record, generation: state.newest };
    const forks = state.serving?.uid === template.state.serving?.uid ? template.forks : 0;
    this.#parts.table.put({ record, state, forks });
    for (const effect of effects) this.#perform(name, effect);
    if (state.serving?.uid !== template.state.serving?.uid) this.#servesAnother(name);
  }

  /** Its zygote is started if nobody has needed it before. */
  want(name: string): void {
    this.apply(name, { kind: "wanted", fresh: this.#parts.newUid() });
  }

  /** Nothing serves any more, and what waits for it fails; the record goes when its last zygote has gone. */
  delete(name: string): void {
    this.apply(name, { kind: "deleted" });
    this.#work.end(name);
    for (const { uid } of this.#parts.table.byName(name)?.record.zygotes ?? []) this.#end(uid);
    this.#removeDeleted(name);
  }

  /** The process that a zygote is; undefined until it has started. */
  workerOf(uid: ProcessUid): Worker | undefined {
    return this.#workers.get(uid);
  }

  /** Whether the keeper's word about this id is for us. */
  owns({ uid, held }: Pick<KeptWorker, "uid" | "held">): boolean {
    return held || this.#parts.table.ofZygote(uid) !== undefined || this.#work.isWarm(uid);
  }

  connected(workers: readonly KeptWorker[]): void {
    const known = new Map(workers.map((worker) => [worker.uid, worker]));
    for (const worker of workers) {
      // Nobody is left who knew what it was for.
      const isTaken = this.#work.isWarm(worker.uid) || this.#work.isUnderWay(worker.uid);
      if (worker.held && !isTaken) this.#kill(worker.uid, SIGKILL);
    }
    this.#work.reconcileWarm((uid) => {
      const worker = known.get(uid);
      if (worker === undefined) return "gone";
      return worker.held ? "held" : "starting";
    });
    for (const template of [...this.#parts.table.all()]) {
      for (const { uid } of template.record.zygotes) this.#reconcile(template, uid, known.get(uid));
    }
    for (const { record, state } of [...this.#parts.table.all()]) {
      this.#removeDeleted(record.name);
      const wanted = !record.builtIn || this.#parts.table.childrenOf(record.name).length > 0;
      if (!record.deleted && wanted && phaseOf(state) === "idle") this.want(record.name);
      this.#work.pump(record.name);
    }
  }

  spawned(uid: ProcessUid, worker: Worker): void {
    // One that was forked from its parent's was a job of the parent.
    this.#work.noteBorn(uid);
    this.#workers.set(uid, worker);
    this.#parts.log.info("zygote started", { template: this.#nameOf(uid), uid, pid: worker.pid });
  }

  spawnFailed(uid: ProcessUid, failure: SpawnFailure): void {
    if (this.#work.isWarm(uid)) {
      this.#work.warmGone(uid, failure);
      return;
    }
    const name = this.#nameOf(uid);
    if (name === undefined) return;
    const verdict = this.#verdicts.get(uid);
    const wanted = this.#parts.table.byName(name)?.state.loading?.uid === uid;
    if (wanted && verdict === undefined && this.#work.retries(uid, failure)) {
      this.#starter.noteWaits(uid);
      return;
    }
    this.#forget(uid);
    this.apply(name, {
      kind: "failed",
      uid,
      failure: verdict ?? failureOf(whyNotStarted(failure)),
      passes: verdict === undefined && isExhaustion(failure),
    });
  }

  exited(uid: ProcessUid, end: EndReport): void {
    const template = this.#parts.table.ofZygote(uid);
    if (template?.state.serving?.uid === uid) {
      // At once: nothing is to be forked from it any more.
      const how = `Its zygote ${howEnded(end.report?.outcome ?? null)}`;
      this.#parts.log.warn("zygote died", { template: template.record.name, uid, how });
      this.apply(template.record.name, this.#death(uid, failureOf(how)));
    }
    this.#follow(this.#exited(uid, end));
  }

  born(uid: ProcessUid): void {
    this.#work.warmBorn(uid);
  }

  serving(uid: ProcessUid, serves: boolean): void {
    if (serves) this.#follow(this.#loaded(uid));
  }

  /** No workers are left, and none are made any more: zygotes and what they hold go. Waits a little until they have. */
  async endAll(): Promise<void> {
    this.#closed.abort(new Error("The daemon stops"));
    this.#work.endWarm();
    const uids = [...this.#parts.table.all()].flatMap(({ record }) => record.zygotes);
    for (const { uid } of uids) this.#kill(uid, SIGKILL);
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
    await Promise.allSettled(this.#pending);
  }

  #reconcile({ record, state }: Template, uid: ProcessUid, known: KeptWorker | undefined): void {
    const { name } = record;
    if (known?.worker) this.#workers.set(uid, known.worker);
    // What was forked may be told only by this look.
    if (known?.worker) this.#work.noteBorn(uid);
    const ours = state.serving?.uid === uid || state.loading?.uid === uid;
    if (known === undefined) {
      // One that was loading is begun anew; one that served has died with its keeper.
      this.#forget(uid);
      if (state.loading?.uid === uid) this.#reload(name);
      else if (ours) this.apply(name, this.#death(uid, failureOf("Its keeper has died")));
    } else if (known.end !== null) {
      this.exited(uid, known.end);
    } else if (this.#verdicts.has(uid)) {
      // It was too slow while the keeper was away.
      this.#kill(uid, SIGKILL);
    } else if (!ours) {
      const current = record.zygotes.at(-1);
      const takeOver =
        !record.deleted &&
        known.servesForks &&
        phaseOf(state) === "idle" &&
        current?.uid === uid &&
        current.generation === record.generation;
      if (takeOver) {
        // One that an earlier daemon started serves on.
        this.apply(name, { kind: "found", zygote: current });
        this.serving(uid, true);
      } else this.#kill(uid, SIGKILL);
    } else if (known.servesForks && state.loading?.uid === uid) {
      this.serving(uid, true);
    }
  }

  #perform(name: string, effect: TemplateEffect): void {
    switch (effect.kind) {
      case "start":
        this.#follow(this.#starter.start(name, effect.zygote.uid));
        return;
      case "end":
        this.#end(effect.uid);
        return;
      case "retry-in":
        this.#later(effect.delayMs, () => {
          this.apply(name, { kind: "retry-due", fresh: this.#parts.newUid() });
        });
        return;
      case "serve":
        // First, for those that wait to be forked would be forked, ended, and forked again.
        for (const child of this.#parts.table.childrenOf(name)) {
          this.#reload(child.record.name);
        }
        this.#work.pump(name);
        return;
      case "refuse":
        this.#parts.log.warn("template failed", { template: name, reason: effect.failure.message });
        this.#work.refuse(name, effect.failure);
        return;
    }
  }

  #servesAnother(name: string): void {
    const template = this.#parts.table.byName(name);
    if (template === undefined) return;
    const { serving } = template.state;
    if (serving !== null)
      this.#parts.log.info("template ready", { template: name, generation: serving.generation });
    this.#work.serveFrom(name);
  }

  async #loaded(uid: ProcessUid): Promise<void> {
    const name = this.#nameOf(uid);
    if (name === undefined || this.#parts.table.byName(name)?.state.loading?.uid !== uid) return;
    this.#starter.disarm(uid);
    const report = await this.#parts.files.report(uid);
    if (report !== null && "canFork" in report) {
      this.apply(name, { kind: "loaded", uid, report, nowMs: this.#parts.clock.now() });
      return;
    }
    this.#verdicts.set(uid, report ?? failureOf("Its zygote is ready and left no report"));
    this.#kill(uid, SIGKILL);
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
      this.apply(name, { kind: "loaded", uid, report: said, nowMs: this.#parts.clock.now() });
    } else if (name !== undefined) {
      const spoken = said !== null && !("canFork" in said) ? { ...said, stderrTail } : null;
      const ended = failureOf(`Its zygote ${howEnded(report?.outcome ?? null)}`, stderrTail);
      const failure = this.#verdicts.get(uid) ?? spoken ?? ended;
      this.apply(name, this.#death(uid, failure));
    }
    await this.#parts.keeper.acknowledgeExit(uid);
    await this.#parts.keeper.removeOutput(uid);
    this.#forget(uid);
  }

  /** It is over, and nothing of it is left. */
  #forget(uid: ProcessUid): void {
    this.#starter.withdraw(uid);
    this.#verdicts.delete(uid);
    this.#workers.delete(uid);
    const template = this.#parts.table.ofZygote(uid);
    if (template === undefined) return;
    const zygotes = template.record.zygotes.filter((zygote) => zygote.uid !== uid);
    const record = { ...template.record, zygotes };
    this.#parts.table.put({ ...template, record });
    if (this.#removeDeleted(record.name)) return;
    // A record that still names it does no harm: the keeper will not know it.
    this.#follow(this.#parts.store.save(record));
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
    // It has nothing to tidy up, and code that it loaded may be deaf to anything less.
    else if (this.#nameOf(uid) !== undefined) this.#kill(uid, SIGKILL);
  }

  /** Another takes its place at once, before anything more is asked of it: its end may take a while. */
  #silent(uid: ProcessUid): void {
    const template = this.#parts.table.ofZygote(uid);
    if (template?.state.serving?.uid !== uid) return;
    const { name } = template.record;
    const how = "Its zygote answered nobody, as one that is stopped, and was ended";
    this.#parts.log.warn("zygote does not answer", { template: name, uid });
    this.apply(name, this.#death(uid, failureOf(how)));
    this.#kill(uid, SIGKILL);
  }

  #death(uid: ProcessUid, failure: TemplateFailure): TemplateEvent {
    return { kind: "died", uid, nowMs: this.#parts.clock.now(), failure };
  }

  #reload(name: string): void {
    this.apply(name, { kind: "reload", fresh: this.#parts.newUid() });
  }

  #nameOf(uid: ProcessUid): string | undefined {
    return this.#parts.table.ofZygote(uid)?.record.name;
  }

  #kill(uid: ProcessUid, signal: number): void {
    this.#parts.keeper.signal(uid, signal, "worker").catch((error: unknown) => {
      // When the keeper is back it is looked at again.
      if (isKeeperAway(error)) return;
      this.#parts.log.warn("zygote could not be ended", { uid, signal: signalName(signal), error });
    });
  }

  #later(delayMs: number, action: () => void): void {
    this.#parts.clock.sleep(delayMs, this.#closed.signal).then(action, () => undefined);
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

function whyNotStarted({ step: at, errno, message }: SpawnFailure): string {
  // Whatever its interpreter is, it did not get as far as to be a zygote.
  if (at === "specification" && errno === "EINTR" && message !== "")
    return `Its interpreter ended before it could begin: ${message}`;
  if (at === "exec") return `Its interpreter cannot be run: ${errno}`;
  if (at === "cwd") return `Its working directory cannot be entered: ${errno}`;
  if (at === "specification" && errno === "EINTR") {
    return `Its interpreter ended before it was a fork server, as one of another kind does: ${message}`;
  }
  return `Its zygote could not be started: ${at} failed with ${errno}${message === "" ? "" : `: ${message}`}`;
}

function howEnded(outcome: ExitOutcome | null): string {
  if (outcome === null) return "is gone, and nobody knows how";
  return outcome.kind === "code"
    ? `exited with ${outcome.code}`
    : `was killed by ${signalName(outcome.number)}`;
}
