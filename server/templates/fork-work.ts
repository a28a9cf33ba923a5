import { type Clock } from "../core/clock.js";
import { DomainError } from "../core/errors.js";
import { type ProcessUid } from "../core/ids.js";
import {
  type BirthJob,
  type Recipe,
  type Source,
  type WarmWorker,
} from "../processes/fork-servers.js";
import { type Keeper, type SpawnFailure } from "../processes/keeper.js";
import { ForkQueue, isSilence } from "./fork-queue.js";
import { RecentUse } from "./recent-use.js";
import { type TemplateRecord } from "./template-record.js";
import { phaseOf, type TemplateState } from "./template-state.js";
import { current, type TemplateTable } from "./template-table.js";
import { WarmPool, type WarmSource } from "./warm-pool.js";
import { preloadFailed, type TemplateFailure } from "./zygote-report.js";

export interface ForkWorkParts {
  readonly table: TemplateTable;
  readonly keeper: Keeper;
  readonly clock: Clock;
  readonly newUid: () => ProcessUid;
  readonly recipe: (record: TemplateRecord) => Recipe;
  /** Has the zygote of a template started that nobody has needed before. */
  readonly want: (template: string) => void;
  /** It answers nobody: whatever is asked of it now is asked in vain. */
  readonly silent: (zygote: ProcessUid) => void;
  /** Has a worker spawned that is to be kept warm, of a template that cannot be forked. */
  readonly prestart: (template: string, uid: ProcessUid) => void;
  /** There is none of this worker any more, and nobody knew of its files but us. */
  readonly discard: (uid: ProcessUid) => void;
  /** Ends a worker that was made in advance. */
  readonly kill: (uid: ProcessUid) => void;
  /** Nothing is begun any more. */
  readonly closed: AbortSignal;
}

/** If the fork server has died, its end is told in a moment. */
const AGAIN_MS = 10;
const REFILL_AGAIN_MS = 1000;

/** What templates are asked to fork: the workers of creates, in order, and those that are kept warm. */
export class ForkWork {
  readonly #parts: ForkWorkParts;
  readonly #queues = new Map<string, ForkQueue>();
  readonly #pools = new Map<string, WarmPool>();
  /** The template of each job, until that is over. */
  readonly #templateOfJob = new Map<ProcessUid, string>();
  /** The template of each warm worker, born or not. */
  readonly #templateOfWarm = new Map<ProcessUid, string>();
  readonly #dueSoon = new Set<string>();
  readonly #recipes = new Map<ProcessUid, Recipe>();
  readonly #recentUse: RecentUse;

  constructor(parts: ForkWorkParts) {
    this.#parts = parts;
    this.#recentUse = new RecentUse({
      ...parts,
      idle: (name) => {
        this.#fitPool(name);
      },
    });
  }

  submit(job: BirthJob): void {
    const { uid, template } = job;
    this.#templateOfJob.set(uid, template);
    this.#queue(template).submit({
      ...job,
      fail: (error) => {
        this.#templateOfJob.delete(uid);
        job.fail(error);
      },
    });
    // One that was deleted since the create came starts nothing any more.
    if (this.#parts.table.byName(job.template)?.record.deleted === false)
      this.#parts.want(job.template);
    this.pump(job.template);
  }

  takeWarm(name: string, plain: boolean): WarmWorker | undefined {
    const pool = this.#pools.get(name);
    const made = pool?.source ?? null;
    const source = this.#source(name);
    if (pool === undefined || made === null || source === undefined) return undefined;
    const forked = made.server !== null;
    const uid = forked || plain ? pool.take() : undefined;
    if (uid === undefined) return undefined;
    // Whoever takes one comes first.
    if (this.#keepsWarm(name)) this.#refillLater(name, 0);
    return { uid, generation: made.generation, recipe: source.recipe, forked };
  }

  /** What a zygote is made from, whatever becomes of its template's spec. */
  madeFrom(zygote: ProcessUid, recipe: Recipe): void {
    this.#recipes.set(zygote, recipe);
  }

  warmWorkers(name: string): number {
    return this.#pools.get(name)?.ready ?? 0;
  }

  /** A worker of a job is born. */
  noteBorn(uid: ProcessUid): void {
    const { name, queue } = this.#ofJob(uid);
    if (queue?.noteBorn(uid) !== true) return;
    this.#templateOfJob.delete(uid);
    const template = this.#parts.table.byName(name);
    if (template !== undefined) this.#parts.table.put({ ...template, forks: template.forks + 1 });
    this.pump(name);
    // Another template's zygote says nothing of what will be wanted next.
    if (this.#parts.table.ofZygote(uid) === undefined && this.#recentUse.note(name))
      this.#fitPool(name);
    this.#refill(name);
  }

  /** True when the job is tried again. */
  retries(uid: ProcessUid, failure: SpawnFailure): boolean {
    const { name, queue } = this.#ofJob(uid);
    const server = queue?.serverOf(uid) ?? null;
    if (server !== null && isSilence(failure)) this.#parts.silent(server);
    const outcome = queue?.noteFailed(uid, failure) ?? "not-ours";
    if (outcome === "not-ours") return false;
    if (outcome === "over") this.#templateOfJob.delete(uid);
    this.#pumpSoon(name);
    return outcome === "waits";
  }

  /** The job is over, however that came: its place is free, and it is not tried again. */
  drop(uid: ProcessUid): void {
    this.#recipes.delete(uid);
    const { name } = this.#ofJob(uid);
    if (this.#leaves(uid)) this.pump(name);
  }

  /** True when it only waited. */
  withdraws(uid: ProcessUid): boolean {
    return !this.isUnderWay(uid) && this.#leaves(uid);
  }

  isUnderWay(uid: ProcessUid): boolean {
    return this.#ofJob(uid).queue?.isUnderWay(uid) ?? false;
  }

  /** Starts what waits, or fails it where nothing will ever serve. */
  pump(name: string): void {
    const template = this.#parts.table.byName(name);
    if (template === undefined || template.record.deleted) {
      this.end(name);
      return;
    }
    const { state } = template;
    const source = this.#source(name);
    if (source !== undefined) this.#queue(name).pump(source);
    else if (phaseOf(state) === "failed" && state.failure !== null) {
      this.refuse(name, state.failure.failure);
    }
  }

  /** What waits is not made. */
  refuse(name: string, failure: TemplateFailure): void {
    this.#queue(name).failAll(preloadFailed(name, failure));
  }

  /** Another zygote serves, or none: warm workers are made anew. */
  serveFrom(name: string): void {
    this.#fitPool(name);
    this.#refill(name);
  }

  /** The template is deleted: nothing serves any more, and what waits fails. */
  end(name: string): void {
    this.#pools.get(name)?.serve(null, 0);
    this.#pools.delete(name);
    this.#recentUse.forget(name);
    const queue = this.#queues.get(name);
    // What is under way may still be born, or come back to be tried again, and is answered then.
    if (queue?.isEmpty === true) this.#queues.delete(name);
    queue?.failAll(
      new DomainError("template-not-found", `The template ${name} was deleted`, {
        facts: { name },
      }),
    );
  }

  endWarm(): void {
    for (const pool of this.#pools.values()) pool.serve(null, 0);
  }

  isWarm(uid: ProcessUid): boolean {
    return this.#templateOfWarm.has(uid);
  }

  /** The keeper is back, and has these. */
  reconcileWarm(stageOf: (uid: ProcessUid) => "held" | "starting" | "gone"): void {
    for (const [name, pool] of this.#pools) {
      pool.reconcile((uid) => {
        const stage = stageOf(uid);
        if (stage === "gone") this.#parts.discard(uid);
        return stage;
      });
      this.#refill(name);
    }
  }

  /** A worker that was to be kept warm waits. */
  warmBorn(uid: ProcessUid): void {
    const name = this.#templateOfWarm.get(uid);
    if (name === undefined) {
      this.#parts.kill(uid);
      return;
    }
    this.#pool(name).noteBorn(uid);
    this.#refill(name);
  }

  /** It has died, or was never born. */
  warmGone(uid: ProcessUid, failure: SpawnFailure | null): void {
    const name = this.#templateOfWarm.get(uid);
    if (name === undefined) return;
    const pool = this.#pool(name);
    const server = pool.source?.server ?? null;
    pool.noteGone(uid);
    if (server !== null && failure !== null && isSilence(failure)) this.#parts.silent(server);
    this.#refillLater(name, REFILL_AGAIN_MS);
  }

  #source(name: string): Source | undefined {
    const template = this.#parts.table.byName(name);
    if (template === undefined) return undefined;
    const { serving, fallback } = template.state;
    if (serving === null && fallback === null) return undefined;
    const recipe = this.#parts.recipe(current(template));
    if (serving !== null) {
      const made = this.#recipes.get(serving.uid) ?? recipe;
      return { kind: "fork", server: serving.uid, recipe: made, generation: serving.generation };
    }
    return { kind: "spawn", recipe, generation: fallback?.generation ?? 0 };
  }

  #ofJob(uid: ProcessUid): { readonly name: string; readonly queue: ForkQueue | undefined } {
    const name = this.#templateOfJob.get(uid) ?? "";
    return { name, queue: this.#queues.get(name) };
  }

  /** True when there was such a job. */
  #leaves(uid: ProcessUid): boolean {
    const { queue } = this.#ofJob(uid);
    this.#templateOfJob.delete(uid);
    return queue?.drop(uid) ?? false;
  }

  /** Only when nobody waits for the fork server; for a spare one, also when nobody is about to be made. */
  #refill(name: string): void {
    const queue = this.#queue(name);
    const isFree = this.#keepsWarm(name) ? queue.hasRoom : queue.isEmpty;
    if (!this.#parts.closed.aborted && isFree) this.#pool(name).refill();
  }

  #keepsWarm(name: string): boolean {
    const template = this.#parts.table.byName(name);
    return template !== undefined && current(template).spec.warmWorkers > 0;
  }

  /**
   * As many as are to be kept warm, and a spare one while the template is in use, as Android has of its zygote's: the next
   * create need not wait for a fork then. Where workers are spawned there is none, for it would take up as much as all.
   */
  #fitPool(name: string): void {
    const template = this.#parts.table.byName(name);
    if (template === undefined || template.record.deleted) return;
    const source = warmSource(template.state);
    const hasSpare = source !== null && source.server !== null && this.#recentUse.has(name);
    const { warmWorkers } = current(template).spec;
    this.#pool(name).serve(source, Math.max(warmWorkers, hasSpare ? 1 : 0));
  }

  #refillLater(name: string, delayMs: number): void {
    this.#later(delayMs, () => {
      this.#refill(name);
    });
  }

  /** One timer for all that waits for it: when a fork server dies, that is many at once. */
  #pumpSoon(name: string): void {
    if (this.#dueSoon.has(name)) return;
    this.#dueSoon.add(name);
    this.#later(AGAIN_MS, () => {
      this.#dueSoon.delete(name);
      this.pump(name);
    });
  }

  #queue(name: string): ForkQueue {
    const queue = this.#queues.get(name) ?? new ForkQueue();
    this.#queues.set(name, queue);
    return queue;
  }

  #pool(name: string): WarmPool {
    const there = this.#pools.get(name);
    if (there !== undefined) return there;
    const { keeper, newUid, prestart, kill } = this.#parts;
    const pool = new WarmPool({
      newUid: () => {
        const uid = newUid();
        this.#templateOfWarm.set(uid, name);
        return uid;
      },
      hold: (uid, { server }) => {
        if (server === null) prestart(name, uid);
        else keeper.hold(uid, server);
      },
      kill,
      left: (uid) => {
        this.#templateOfWarm.delete(uid);
      },
    });
    this.#pools.set(name, pool);
    return pool;
  }

  #later(delayMs: number, action: () => void): void {
    this.#parts.clock.sleep(delayMs, this.#parts.closed).then(action, () => undefined);
  }
}

function warmSource({ serving, fallback }: TemplateState): WarmSource | null {
  if (serving !== null) return { server: serving.uid, generation: serving.generation };
  return fallback === null ? null : { server: null, generation: fallback.generation };
}
