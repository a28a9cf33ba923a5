import { type Clock } from "../core/clock.js";
import { DomainError } from "../core/errors.js";
import { type ProcessUid } from "../core/ids.js";
import { type CpuSet } from "../cpus/cpu-set.js";
import { type CpuLedger } from "../cpus/cpu-ledger.js";
import { type Births } from "./births.js";
import { type Keeper, type SpawnOrder, type UserIds } from "./keeper.js";
import { type ProcessRecord } from "./process-record.js";
import { canonicalText, type ProcessSpec, specBytes, validateSpec } from "./process-spec.js";
import { type ProcessTable } from "./process-table.js";
import { type RecordStore } from "./record-store.js";
import { type Supervisor } from "./supervisor.js";

/** For arguments and environments of all processes together, those that have ended included. */
const MAX_SPEC_BYTES = 512 * 1024 * 1024;

export interface CreateOrder {
  readonly owner: string;
  /** Null: the daemon makes one. */
  readonly name: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: ProcessSpec;
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
  readonly ledger: CpuLedger;
  readonly keeper: Keeper;
  readonly births: Births;
  readonly store: RecordStore;
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

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
  }

  /** Resolves when the program runs. A create that has begun goes on when its caller goes away. */
  async create(order: CreateOrder): Promise<ProcessRecord> {
    const spec = validateSpec(order.spec);
    const earlier = this.#earlier(order);
    if (earlier !== undefined) return this.#repeated(earlier, order);
    const user = await this.#user(spec);
    // While the user was looked up, the same request may have come again.
    const meanwhile = this.#earlier(order);
    if (meanwhile !== undefined) return this.#repeated(meanwhile, order);
    const record = this.#admit(order, spec);
    try {
      await this.#parts.store.save(record, this.#parts.table.counters);
      this.#parts.keeper.spawn(this.#spawnOrder(record, user));
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

  async #user({ runAs }: ProcessSpec): Promise<UserIds | null> {
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

  /** Everything that can fail without a trace fails here. */
  #admit(order: CreateOrder, spec: ProcessSpec): ProcessRecord {
    const { table, ledger, supervisor, clock, births } = this.#parts;
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
    const uid = this.#parts.newUid();
    const placement = ledger.assign(uid, spec.cpus) ?? null;
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
      state: { kind: "starting", stop: null, keeper },
    });
    births.begin(uid);
    return record;
  }

  #spawnOrder({ uid, name, spec, placement }: ProcessRecord, user: UserIds | null): SpawnOrder {
    // First, where a keeper that looks for descendants finds it without reading far; and last, so
    // that nobody gives a worker another name.
    const identity = { FORKBUS_PROCESS_ID: uid, FORKBUS_PROCESS: name };
    const order: SpawnOrder = {
      uid,
      path: spec.path,
      argv: spec.argv,
      env: {
        ...identity,
        ...this.#parts.baseEnvironment,
        ...threadCounts(placement),
        ...spec.env,
        ...identity,
      },
      workingDir: spec.workingDir,
      umask: spec.umask,
      user,
      cpus: placement,
      rlimits: spec.rlimits,
      openStdin: spec.openStdin,
      stdout: spec.stdout,
      stderr: spec.stderr,
      mergeStderr: spec.mergeStderr,
      onExit: spec.onExit,
      logMaxBytes: spec.logMaxBytes,
    };
    this.#parts.births.ordered(order);
    return order;
  }

  async #takeBack(record: ProcessRecord, error: unknown): Promise<never> {
    const { table, ledger, births, store } = this.#parts;
    const reason = error instanceof Error ? error : new Error("Not started", { cause: error });
    ledger.release(record.uid);
    table.remove(record.uid);
    births.fail(record.uid, reason);
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

/** Numeric libraries start a thread for each CPU of the host unless told how many they have. */
function threadCounts(placement: CpuSet | null): Readonly<Record<string, string>> {
  if (placement === null) return {};
  const count = String(placement.length);
  return {
    OMP_NUM_THREADS: count,
    OPENBLAS_NUM_THREADS: count,
    MKL_NUM_THREADS: count,
    NUMEXPR_NUM_THREADS: count,
  };
}

function requestText({ name, labels, spec }: CreateOrder): string {
  return canonicalText({ name, labels, spec });
}

function recordText({ name, named, labels, spec }: ProcessRecord): string {
  return canonicalText({ name: named ? name : null, labels, spec });
}
