import { type Clock } from "../core/clock.js";
import { DomainError } from "../core/errors.js";
import { type ProcessUid } from "../core/ids.js";
import { ArgumentMemory } from "./argument-memory.js";
import { functionOrder, isPlain, liveForkOrder, programOrder } from "./birth-order.js";
import { type Births } from "./births.js";
import { type ForkServers, type Source, type WarmWorker } from "./fork-servers.js";
import { type BirthOrder, give, type Keeper, type UserIds } from "./keeper.js";
import { type LiveForks } from "./live-forks.js";
import { type Placements } from "./placements.js";
import { type ProcessRecord } from "./process-record.js";
import { canonicalText, type ProcessSpec, specBytes, validateSpec } from "./process-spec.js";
import { type ProcessTable } from "./process-table.js";
import { type RecordStore } from "./record-store.js";
import { type SharedWrites } from "./shared-writes.js";
import { SIGKILL } from "./signals.js";
import { type StartClock } from "./start-clock.js";
import { type Supervisor } from "./supervisor.js";
import { methodOf, type StartMethod } from "./target.js";
import { enforceable } from "./tree-limits.js";

/** For arguments and environments of all processes together, those that have ended included. */
const MAX_SPEC_BYTES = 512 * 1024 * 1024;

const NEVER = new AbortController().signal;

export interface CreateOrder {
  readonly owner: string;
  /** Null: the daemon makes one. */
  readonly name: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: ProcessSpec;
  /** Of a function; empty for a program. */
  readonly arguments: Uint8Array;
  /** Null: the create is not idempotent. */
  readonly requestId: string | null;
}

/** The host's user database. */
export interface UserDatabase {
  /** By name or number; undefined when there is no such user. */
  find(user: string): Promise<UserIds | undefined>;
}

export interface AdmissionParts {
  readonly table: ProcessTable;
  readonly placements: Placements;
  readonly keeper: Keeper;
  readonly births: Births;
  readonly startClock: StartClock;
  readonly forkServers: ForkServers;
  readonly liveForks: LiveForks;
  readonly store: RecordStore;
  readonly shared: SharedWrites;
  readonly supervisor: Supervisor;
  readonly users: UserDatabase;
  readonly clock: Clock;
  readonly newUid: () => ProcessUid;
  readonly baseEnvironment: Readonly<Record<string, string>>;
}

/**
 * Takes creates in: the intent is kept before the order goes to the keeper, so that a create which
 * is sent twice, also across the death of the daemon, makes one worker.
 */
export class Admission {
  readonly #parts: AdmissionParts;
  readonly #argumentMemory = new ArgumentMemory();

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
  }

  /**
   * Resolves when the program runs. A create that has begun goes on when its caller goes away; one
   * that waits for CPUs has not begun.
   */
  async create(order: CreateOrder, signal: AbortSignal = NEVER): Promise<ProcessRecord> {
    const arrivedMs = this.#parts.clock.now();
    const spec = validateSpec(order.spec);
    const earlier = this.#earlier(order);
    if (earlier !== undefined) return this.#repeated(earlier, order);
    using _held = this.#argumentMemory.hold(order.arguments.length);
    this.#checkSource(spec);
    const user = await this.#user(spec);
    const uid = this.#parts.newUid();
    await this.#parts.placements.wait(uid, spec.cpus, requestKey(order), signal);
    // While the user was looked up, or CPUs were waited for, the same request may have come again.
    const meanwhile = this.#earlier(order);
    if (meanwhile !== undefined) {
      this.#parts.placements.release(uid);
      return await this.#repeated(meanwhile, order);
    }
    const admitted = this.#admit(order, spec, uid);
    const { record } = admitted;
    this.#parts.startClock.arrived(record.uid, arrivedMs, this.#parts.clock.now());
    try {
      this.#parts.shared.flush();
      await this.#parts.store.save(record, this.#parts.table.counters);
      this.#parts.startClock.admitted(record.uid, this.#parts.clock.now());
      this.#begin(admitted, order.arguments, user);
    } catch (error) {
      await this.#takeBack(record, error);
    }
    await this.#parts.births.settled(record.uid);
    return this.#current(record);
  }

  /** Resolves when the process is not being started any more, however that ended. */
  async settled(uid: ProcessUid): Promise<void> {
    await this.#parts.births.settled(uid).catch(() => undefined);
  }

  #earlier({ owner, requestId }: CreateOrder): ProcessRecord | undefined {
    return requestId === null ? undefined : this.#parts.table.byRequest(owner, requestId);
  }

  async #repeated(record: ProcessRecord, order: CreateOrder): Promise<ProcessRecord> {
    if (requestText(order) !== recordText(record)) {
      throw new DomainError(
        "request-id-reused",
        `The request_id ${order.requestId ?? ""} was used for another process, ${record.name}`,
        { facts: { method: "CreateProcess" } },
      );
    }
    await this.#parts.births.settled(record.uid);
    return this.#current(record);
  }

  async #user({ runAs: named, target }: ProcessSpec): Promise<UserIds | null> {
    const ofTemplate =
      // Also where it is to be forked: a template that cannot be is spawned from.
      target.kind !== "exec" && target.origin.method !== "fork"
        ? this.#parts.forkServers.recipe(target.origin.template).recipe.runAs
        : null;
    const runAs = named ?? ofTemplate;
    if (runAs === null) return null;
    const ids = await this.#parts.users.find(runAs);
    if (ids !== undefined) return ids;
    throw new DomainError(
      "invalid-field",
      `There is no user ${JSON.stringify(runAs)} on this host`,
      {
        facts: { field: "spec.run_as.user", value: runAs },
      },
    );
  }

  /** Whether there is anything to make it from, as far as can be known at once. */
  #checkSource({ target }: ProcessSpec): void {
    if (target.kind === "exec") return;
    const { origin, kind } = target;
    if (origin.method === "fork") this.#parts.liveForks.find(origin.process, kind);
    else this.#parts.forkServers.check(origin.template, kind);
  }

  /** Everything that can fail without a trace fails here. */
  #admit(order: CreateOrder, spec: ProcessSpec, uid: ProcessUid): Admitted {
    try {
      return this.#enter(order, spec, uid);
    } catch (error) {
      this.#parts.placements.release(uid);
      throw error;
    }
  }

  #enter(order: CreateOrder, spec: ProcessSpec, fresh: ProcessUid): Admitted {
    const { table, placements, supervisor, clock, births, keeper: orders } = this.#parts;
    const keeper = supervisor.keeperIdentity;
    if (keeper === null) {
      throw new DomainError("keeper-unreachable", "The keeper does not answer", {
        retryAfterMs: 500,
      });
    }
    if (order.name !== null && table.byName(order.name) !== undefined) {
      throw new DomainError("process-exists", `There is a process ${order.name} already`, {
        facts: { name: order.name },
      });
    }
    if (table.bytes + specBytes(spec) > MAX_SPEC_BYTES) {
      throw new DomainError(
        "host-exhausted",
        `The arguments and environments of all processes take up ${table.bytes} bytes, at most ${MAX_SPEC_BYTES} can be`,
        { facts: { resource: "specs", errno: "" }, retryAfterMs: 1000 },
      );
    }
    const limits = enforceable(spec.treeLimits, (controller) => orders.enforces(controller));
    const placement = placements.take(fresh, spec.cpus);
    const warm = this.#takeWarm(spec);
    const uid = warm?.uid ?? fresh;
    if (warm !== undefined) placements.passOn(fresh, uid);
    const record = table.put({
      uid,
      name: order.name ?? table.nextName(),
      named: order.name !== null,
      owner: order.owner,
      labels: order.labels,
      spec,
      requestId: order.requestId,
      createTimeMs: clock.wallTime(),
      revision: 0,
      placement,
      birth: {
        method: warm?.forked === false ? "spawn" : methodOf(spec.target),
        generation: warm?.generation ?? 0,
        warm: warm !== undefined,
        timings: null,
        unenforced: limits.unenforced,
      },
      servesForks: false,
      state: { kind: "starting", stop: null, keeper },
    });
    births.begin(uid);
    placements.admitted(requestKey(order));
    return { record, limits: limits.settings, warm };
  }

  #takeWarm(spec: ProcessSpec): WarmWorker | undefined {
    const { target } = spec;
    if (target.kind === "exec" || target.origin.method !== "forkserver") return undefined;
    return this.#parts.forkServers.takeWarm(target.origin.template, isPlain(spec));
  }

  /** The intent is kept: the worker is ordered, now or when its fork server has time for it. */
  #begin({ record, limits, warm }: Admitted, args: Uint8Array, user: UserIds | null): void {
    const { baseEnvironment, forkServers, liveForks } = this.#parts;
    const { target } = record.spec;
    // While the intent was being kept, or its fork server was busy, it may have been moved.
    const latest = (): ProcessRecord => this.#parts.table.byUid(record.uid) ?? record;
    const context = { baseEnvironment, user, limits };
    if (target.kind === "exec") {
      this.#order(programOrder(latest(), target, context));
      return;
    }
    const { origin } = target;
    if (origin.method === "fork") {
      const { server, forkLibrary } = liveForks.find(origin.process, target.kind);
      // It would be born where the process is pinned that it is forked from.
      const placement = latest().placement ?? this.#parts.placements.sharedSet;
      this.#order(
        liveForkOrder({ ...latest(), placement }, target, args, server, forkLibrary, limits),
      );
      return;
    }
    const order = (source: Source): BirthOrder =>
      functionOrder(latest(), target, args, source, context);
    if (origin.method === "spawn") {
      const { recipe, generation } = forkServers.recipe(origin.template);
      this.#from(record.uid, "spawn", generation);
      this.#order(order({ kind: "spawn", recipe, generation }));
      return;
    }
    this.#fork(record, origin.template, warm, order);
  }

  #fork(
    { uid }: ProcessRecord,
    template: string,
    warm: WarmWorker | undefined,
    order: (source: Source) => BirthOrder,
  ): void {
    const { forkServers, supervisor } = this.#parts;
    if (warm !== undefined) {
      this.#order(order({ kind: "go", ...warm }));
    }
    forkServers.submit({
      uid,
      template,
      started: warm !== undefined,
      start: (source) => {
        this.#from(uid, source.kind === "spawn" ? "spawn" : "forkserver", source.generation);
        this.#order(order(source));
      },
      fail: (error) => {
        supervisor.cannotStart(uid, error);
      },
    });
  }

  /** Which generation it comes from is known only when its turn has come. */
  #from(uid: ProcessUid, method: StartMethod, generation: number): void {
    const record = this.#parts.table.byUid(uid);
    if (record === undefined) return;
    const birth = { ...record.birth, method, generation, warm: false };
    this.#parts.table.put({ ...record, birth });
  }

  #order(order: BirthOrder): void {
    this.#parts.births.ordered(order);
    this.#parts.startClock.ordered(order.uid, this.#parts.clock.now());
    give(this.#parts.keeper, order);
  }

  async #takeBack(record: ProcessRecord, error: unknown): Promise<never> {
    const { table, placements, births, store, keeper, startClock, forkServers } = this.#parts;
    startClock.take(record.uid);
    forkServers.noteGone(record.uid);
    const reason = error instanceof Error ? error : new Error("Not started", { cause: error });
    table.remove(record.uid);
    placements.release(record.uid);
    births.fail(record.uid, reason);
    // A worker that was made in advance waits for an order, which nobody will give.
    if (record.birth.warm)
      await keeper.signal(record.uid, SIGKILL, "worker").catch(() => undefined);
    // Where the intent was kept and cannot be removed, the next start of the daemon drops it.
    await store.remove(record, null).catch(() => undefined);
    throw reason;
  }

  #current({ uid, name }: ProcessRecord): ProcessRecord {
    const record = this.#parts.table.byUid(uid);
    if (record !== undefined) return record;
    throw new DomainError("process-not-found", `Process ${name} was deleted while it started`);
  }
}

interface Admitted {
  readonly record: ProcessRecord;
  /** Settings of its leaf. */
  readonly limits: readonly string[];
  readonly warm: WarmWorker | undefined;
}

/** Creates with the same one are for the same worker. */
function requestKey({ owner, requestId }: CreateOrder): string | null {
  return requestId === null ? null : `${owner}\0${requestId}`;
}

function requestText({ name, labels, spec }: CreateOrder): string {
  return canonicalText({ name, labels, spec });
}

function recordText({ name, named, labels, spec }: ProcessRecord): string {
  return canonicalText({ name: named ? name : null, labels, spec });
}
