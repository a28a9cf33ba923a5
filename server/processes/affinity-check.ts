import { type Clock } from "../core/clock.js";
import { type ProcessUid } from "../core/ids.js";
import { type CpuLedger } from "../cpus/cpu-ledger.js";
import { type CpuSet, formatCpuSet } from "../cpus/cpu-set.js";
import { type ProcessRecord } from "./process-record.js";
import { hasEnded, type Worker, workerOf } from "./process-state.js";
import { type ProcessTable } from "./process-table.js";

const CHECK_MS = 5000;
/** Workers that are looked at in one round: what there is more has its turn in the next ones. */
const ROUND = 500;

/** Asks the kernel on which CPUs workers may run. */
export interface AffinityReader {
  /**
   * In the order of the workers; undefined for one that is gone. Where a worker is as `expected`, who
   * has its pid now is not looked at.
   */
  read(workers: readonly AffinityQuestion[]): Promise<readonly (CpuSet | undefined)[]>;
}

export interface AffinityQuestion extends Pick<Worker, "pid" | "startTicks"> {
  readonly expected: CpuSet | null;
}

/** A worker that is not where it was placed. */
export interface Difference {
  readonly record: ProcessRecord;
  readonly assigned: CpuSet;
  readonly kernel: CpuSet;
}

export interface AffinityCheckParts {
  readonly table: ProcessTable;
  readonly ledger: CpuLedger<ProcessUid>;
  readonly reader: AffinityReader;
  readonly clock: Clock;
  readonly log: {
    info(message: string, fields: Readonly<Record<string, unknown>>): void;
    warn(message: string, fields: Readonly<Record<string, unknown>>): void;
  };
  /** A move is under way: the kernel may not know of it yet. */
  readonly isMoving: (uid: ProcessUid) => boolean;
  /** The kernel says something else than the record does. */
  readonly onSeen: (uid: ProcessUid, cpus: CpuSet) => void;
}

/**
 * Compares placements with the kernel every few seconds, while there are pinned workers. A difference
 * goes into the record and into the log, once; nothing is put right, for somebody has done it on purpose.
 */
export class AffinityCheck implements AsyncDisposable {
  readonly #parts: AffinityCheckParts;
  readonly #closed = new AbortController();
  #rounds: Promise<void> | null = null;
  /** Of the holders in the ledger: where the next round begins. */
  #next = 0;

  constructor(parts: AffinityCheckParts) {
    this.#parts = parts;
  }

  /** There is a worker to look at. */
  begin(): void {
    if (this.#closed.signal.aborted) return;
    this.#rounds ??= this.#run().finally(() => {
      this.#rounds = null;
    });
  }

  /** Looks at one worker now, as after it was moved. */
  async look(uid: ProcessUid): Promise<void> {
    const record = this.#parts.table.byUid(uid);
    if (record !== undefined) await this.#compare([record]);
  }

  /** As far as the last look at each worker goes. */
  differences(): readonly Difference[] {
    const found: Difference[] = [];
    for (const record of this.#pinned()) {
      const kernel = workerOf(record.state)?.cpus;
      const assigned = record.placement;
      if (kernel === undefined || assigned === null || same(kernel, assigned)) continue;
      if (!this.#parts.isMoving(record.uid)) found.push({ record, assigned, kernel });
    }
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(new Error("The daemon stops"));
    await this.#rounds?.catch(() => undefined);
  }

  async #run(): Promise<void> {
    try {
      while (this.#hasPinned()) {
        await this.#parts.clock.sleep(CHECK_MS, this.#closed.signal);
        await this.#round();
      }
    } catch (error) {
      if (!this.#closed.signal.aborted) throw error;
    }
  }

  #hasPinned(): boolean {
    return !this.#pinned().next().done;
  }

  async #round(): Promise<void> {
    const all = [...this.#pinned()];
    if (this.#next >= all.length) this.#next = 0;
    const records = all.slice(this.#next, this.#next + ROUND);
    this.#next += ROUND;
    await this.#compare(records);
  }

  async #compare(records: readonly ProcessRecord[]): Promise<void> {
    const { table, reader, isMoving, onSeen, log } = this.#parts;
    const asked = records.flatMap((record) => {
      const worker = workerOf(record.state);
      return worker === null ? [] : [{ record, worker }];
    });
    const seen = await reader.read(
      asked.map(({ record, worker: { pid, startTicks } }) => ({
        pid,
        startTicks,
        expected: record.placement,
      })),
    );
    for (const [index, { record, worker }] of asked.entries()) {
      const cpus = seen[index];
      const now = table.byUid(record.uid);
      // Meanwhile it may have ended, or been moved.
      if (cpus === undefined || now === undefined || hasEnded(now.state)) continue;
      if (now.placement !== record.placement || isMoving(record.uid)) continue;
      if (same(cpus, worker.cpus)) continue;
      onSeen(record.uid, cpus);
      const { name, uid, placement } = now;
      const fields = { process: name, uid, assigned: formatCpuSet(placement ?? []) };
      if (placement === null || same(cpus, placement)) {
        log.info("worker is on its CPUs", fields);
      } else {
        log.warn("worker is not on its CPUs", { ...fields, kernel: formatCpuSet(cpus) });
      }
    }
  }

  *#pinned(): Generator<ProcessRecord, undefined> {
    for (const [holder, { cpus }] of this.#parts.ledger.holdings) {
      const record = cpus === null ? undefined : this.#parts.table.byUid(holder);
      if (record !== undefined && isAlive(record)) yield record;
    }
    return undefined;
  }
}

function isAlive({ state }: ProcessRecord): boolean {
  return state.kind === "running" || state.kind === "stopping";
}

function same(a: CpuSet, b: CpuSet): boolean {
  return a.length === b.length && a.every((cpu, index) => cpu === b[index]);
}
