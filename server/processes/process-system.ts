import { CleanupStack } from "../core/cleanup-stack.js";
import { type Clock } from "../core/clock.js";
import { type ProcessUid } from "../core/ids.js";
import { CpuLedger } from "../cpus/cpu-ledger.js";
import { type CpuSpace } from "../cpus/cpu-space.js";
import { Admission, type UserDatabase } from "./admission.js";
import { AffinityCheck, type AffinityReader } from "./affinity-check.js";
import { Births } from "./births.js";
import { type ForkServers } from "./fork-servers.js";
import { type Keeper } from "./keeper.js";
import { Placements } from "./placements.js";
import { specBytes } from "./process-spec.js";
import { ProcessTable } from "./process-table.js";
import { Processes } from "./processes.js";
import { type RecordStore, type RecoveredState } from "./record-store.js";
import { RecordWriter } from "./record-writer.js";
import { Removal } from "./removal.js";
import { Retention, type RetentionPolicy } from "./retention.js";
import { LiveForks } from "./live-forks.js";
import { SharedWrites } from "./shared-writes.js";
import { StartClock } from "./start-clock.js";
import { StdinWriter } from "./stdin.js";
import { Supervisor, type SupervisorLog } from "./supervisor.js";

/** More than a daemon can have told, in the moment before its death, of what it had not kept. */
const UNKEPT_REVISIONS = 1_000_000;

export interface ProcessSystemParts {
  readonly recovered: RecoveredState;
  readonly store: RecordStore;
  readonly keeper: Keeper;
  readonly users: UserDatabase;
  readonly clock: Clock;
  readonly log: SupervisorLog;
  readonly cpus: CpuSpace;
  readonly affinities: AffinityReader;
  readonly retention: RetentionPolicy;
  readonly newUid: () => ProcessUid;
  readonly baseEnvironment: Readonly<Record<string, string>>;
  readonly forkServers: ForkServers;
  /** What Python forks with; null where there is none. */
  readonly forkLibrary: string | null;
}

/** The parts that processes are made of, joined, with what an earlier daemon kept in them. */
export class ProcessSystem implements AsyncDisposable {
  readonly processes: Processes;
  readonly table: ProcessTable;
  readonly ledger: CpuLedger<ProcessUid>;
  readonly placements: Placements;
  readonly affinityCheck: AffinityCheck;
  readonly supervisor: Supervisor;
  readonly #cleanup = new CleanupStack();
  readonly #writer: RecordWriter;
  #troubled: unknown = null;

  constructor(parts: ProcessSystemParts) {
    const { recovered, store, keeper, clock, log } = parts;
    const { counters } = recovered;
    // What clients were told by an earlier daemon is older than whatever this one says.
    const revision = counters.revision + UNKEPT_REVISIONS;
    const table = new ProcessTable({ ...counters, revision });
    const ledger = new CpuLedger<ProcessUid>(parts.cpus);
    const births = new Births();
    const startClock = new StartClock();
    const { forkServers } = parts;
    const retention = new Retention(parts.retention, recovered.expiredNames);
    const onFailure = (error: unknown): void => {
      this.#noteTrouble(error, log);
    };
    const shared = new SharedWrites(clock);
    const writer = new RecordWriter(store, table, clock, shared, onFailure);
    const removal = new Removal({
      table,
      store,
      writer,
      shared,
      keeper,
      retention,
      clock,
      onFailure,
    });
    const placements = new Placements({
      table,
      ledger,
      keeper,
      writer,
      clock,
      log,
      onMoved: (uid) => void affinityCheck.look(uid),
    });
    const affinityCheck = new AffinityCheck({
      table,
      ledger,
      reader: parts.affinities,
      clock,
      log,
      isMoving: (uid) => placements.isMoving(uid),
      onSeen: (uid, cpus) => supervisor.apply(uid, { kind: "cpus-seen", cpus }),
    });
    const supervisor = new Supervisor({
      table,
      ledger,
      placements,
      affinityCheck,
      keeper,
      births,
      startClock,
      forkServers,
      writer,
      removal,
      suspects: recovered.suspects,
      clock,
      log,
    });
    const admission = new Admission({
      table,
      placements,
      keeper,
      births,
      startClock,
      forkServers,
      liveForks: new LiveForks(table, parts.forkLibrary),
      store,
      shared,
      supervisor,
      users: parts.users,
      clock,
      newUid: parts.newUid,
      baseEnvironment: parts.baseEnvironment,
    });
    const stdin = new StdinWriter(table, keeper, supervisor, clock);
    this.processes = new Processes({
      table,
      admission,
      supervisor,
      keeper,
      removal,
      retention,
      stdin,
      clock,
    });
    this.table = table;
    this.ledger = ledger;
    this.placements = placements;
    this.affinityCheck = affinityCheck;
    this.supervisor = supervisor;
    this.#writer = writer;
    this.#cleanup.use(writer);
    this.#cleanup.use(removal);
    this.#cleanup.defer(() => {
      shared[Symbol.dispose]();
    });
    this.#cleanup.use(affinityCheck);
    this.#cleanup.defer(() => {
      supervisor[Symbol.dispose]();
    });
    restore(recovered, { table, ledger, births, retention, clock });
  }

  /** Why the newest versions of records cannot be written; null when all are kept. */
  get trouble(): unknown {
    return this.#writer.isBehind ? this.#troubled : null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cleanup[Symbol.asyncDispose]();
  }

  /** Told once when it begins, not at every attempt. */
  #noteTrouble(error: unknown, log: SupervisorLog): void {
    if (this.trouble === null) log.warn("records cannot be kept for now", { error });
    this.#troubled = error;
  }
}

interface RestoredParts {
  readonly table: ProcessTable;
  readonly ledger: CpuLedger<ProcessUid>;
  readonly births: Births;
  readonly retention: Retention;
  readonly clock: Clock;
}

function restore(
  { records }: RecoveredState,
  { table, ledger, births, retention, clock }: RestoredParts,
): void {
  const ended: { readonly uid: ProcessUid; readonly bytes: number; readonly endTimeMs: number }[] =
    [];
  for (const record of records) {
    table.restore(record);
    const { uid, placement, state } = record;
    const bytes = specBytes(record.spec);
    if (state.kind === "starting") births.resume(uid);
    if (state.kind === "lost") ended.push({ uid, bytes, endTimeMs: state.loss.endTimeMs });
    else if (state.kind === "exited" && !state.descendantsAlive) {
      ended.push({ uid, bytes, endTimeMs: state.exit.endTimeMs });
    } else ledger.restore(uid, record.spec.cpus, placement);
  }
  ended.sort((a, b) => a.endTimeMs - b.endTimeMs);
  for (const { uid, bytes, endTimeMs } of ended) {
    // A wall clock that was set back makes nothing younger than now.
    const ageMs = Math.max(0, clock.wallTime() - endTimeMs);
    retention.noteEnded(uid, clock.now() - ageMs, bytes);
  }
}
