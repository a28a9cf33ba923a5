import { type Clock } from "../core/clock.js";
import { DomainError } from "../core/errors.js";
import { type ProcessUid } from "../core/ids.js";
import { type Page } from "../core/page.js";
import { type Admission, type CreateOrder } from "./admission.js";
import { type Keeper } from "./keeper.js";
import { type ProcessRecord } from "./process-record.js";
import { type StopPolicy, validateGrace } from "./process-spec.js";
import { hasEnded, type Requester, type SignalRequest, treeHasEnded } from "./process-state.js";
import { checkUid, type ProcessFilter, type ProcessTable } from "./process-table.js";
import { type Removal } from "./removal.js";
import { type Retention } from "./retention.js";
import { SIGKILL } from "./signals.js";
import { type StdinWriter } from "./stdin.js";
import { type Supervisor } from "./supervisor.js";
import { type Reached, waitForMany, waitUntil } from "./waiting.js";

/** Which process a call means: by name and, when not null, only if it still is that one. */
export interface ProcessRef {
  readonly name: string;
  readonly uid: ProcessUid | null;
}

export type WaitCondition = "ended" | "tree-ended";

export interface StopResult {
  /** `unknown`: the wait ran out and the stop goes on, or the process is lost. */
  readonly outcome: "graceful" | "killed" | "already-ended" | "unknown";
  readonly record: ProcessRecord;
}

export interface ProcessesParts {
  readonly table: ProcessTable;
  readonly admission: Admission;
  readonly supervisor: Supervisor;
  readonly keeper: Keeper;
  readonly removal: Removal;
  readonly retention: Retention;
  readonly stdin: StdinWriter;
  readonly clock: Clock;
}

/** What clients can do with processes. Calls on one process take effect in the order in which they come. */
export class Processes {
  readonly #parts: ProcessesParts;

  constructor(parts: ProcessesParts) {
    this.#parts = parts;
  }

  create(order: CreateOrder, signal?: AbortSignal): Promise<ProcessRecord> {
    return this.#parts.admission.create(order, signal);
  }

  /** Whether a create with this id has made a process already. */
  hasCreated(owner: string, requestId: string | null): boolean {
    return requestId !== null && this.#parts.table.byRequest(owner, requestId) !== undefined;
  }

  get({ name, uid }: ProcessRef): ProcessRecord {
    const record = this.#parts.table.byName(name);
    if (record !== undefined) {
      checkUid(record, uid);
      return record;
    }
    if (this.#parts.retention.hasExpired(name)) {
      throw new DomainError("record-expired", `The record of process ${name} has expired`, {
        facts: { name },
      });
    }
    throw new DomainError("process-not-found", `There is no process ${name}`, { facts: { name } });
  }

  /** As `get`, but waits for the end of a start that is under way. */
  async started(ref: ProcessRef): Promise<ProcessRecord> {
    const { name, uid } = this.get(ref);
    await this.#parts.admission.settled(uid);
    return this.get({ name, uid });
  }

  list(filter: ProcessFilter, after: string, size: number): Page<ProcessRecord> {
    return this.#parts.table.list(filter, after, size);
  }

  get someAlive(): boolean {
    for (const { state } of this.#parts.table.all()) if (!treeHasEnded(state)) return true;
    return false;
  }

  countByState(): ReadonlyMap<ProcessRecord["state"]["kind"], number> {
    const counts = new Map<ProcessRecord["state"]["kind"], number>();
    for (const { state } of this.#parts.table.all()) {
      counts.set(state.kind, (counts.get(state.kind) ?? 0) + 1);
    }
    return counts;
  }

  /** Null when the wait ran out. Fails with `process-not-found` when it is deleted meanwhile. */
  async wait(
    ref: ProcessRef,
    condition: WaitCondition,
    waitMs: number | null,
    signal: AbortSignal,
  ): Promise<{ readonly reached: boolean; readonly record: ProcessRecord }> {
    const record = this.get(ref);
    const reached = await this.#reach(record.uid, satisfier(condition), waitMs, signal);
    return { reached, record: this.get({ name: record.name, uid: record.uid }) };
  }

  waitForMany(
    names: readonly string[],
    condition: WaitCondition,
    limit: { readonly count: number; readonly waitMs: number | null },
    signal: AbortSignal,
  ): AsyncIterable<Reached> {
    const { table, clock } = this.#parts;
    const uids = new Map(names.map((name) => [name, table.byName(name)?.uid]));
    return waitForMany(table, uids, satisfier(condition), limit, clock, signal);
  }

  async signal(ref: ProcessRef, signal: SignalRequest, scope: "worker" | "tree"): Promise<void> {
    // What is being started gets it as soon as its program runs.
    const { name, uid, state } = await this.started(ref);
    const ended = scope === "worker" ? hasEnded(state) : treeHasEnded(state);
    if (ended) throw new DomainError("process-ended", `Process ${name} has ended`);
    // Before it is sent, so that the exit that it causes finds it.
    this.#parts.supervisor.apply(uid, { kind: "signalled", signal });
    let sent = false;
    try {
      sent = await this.#parts.keeper.signal(uid, signal.signal, scope);
    } finally {
      if (!sent) this.#parts.supervisor.apply(uid, { kind: "signal-failed", signal });
    }
    if (!sent) throw new DomainError("process-ended", `Process ${name} has ended`);
  }

  /** Asks for the end; the stop goes on when the caller goes away. */
  async stop(
    ref: ProcessRef,
    policy: Partial<StopPolicy>,
    requester: Requester,
    waitMs: number | null,
    signal: AbortSignal,
  ): Promise<StopResult> {
    if (policy.graceMs !== undefined) validateGrace("stop.grace_ms", policy.graceMs);
    const record = this.get(ref);
    if (treeHasEnded(record.state)) return { outcome: "already-ended", record };
    if (hasEnded(record.state)) await this.#parts.keeper.signal(record.uid, SIGKILL, "tree");
    else this.#requestStop(record, { ...record.spec.stop, ...policy }, requester);
    const ended = await this.#reach(record.uid, ({ state }) => treeHasEnded(state), waitMs, signal);
    const now = this.get({ name: record.name, uid: record.uid });
    return { outcome: ended ? stopOutcome(now, hasEnded(record.state)) : "unknown", record: now };
  }

  /** Removes the record and the output; with `force`, what is alive is killed first. */
  async delete(
    ref: ProcessRef,
    force: boolean,
    requester: Requester,
    signal: AbortSignal,
  ): Promise<void> {
    const record = this.#find(ref);
    if (record === undefined) return;
    if (!treeHasEnded(record.state)) {
      if (!force) {
        throw new DomainError(
          "process-running",
          `Process ${record.name} is alive: stop it first, or force`,
          { facts: { name: record.name, state: record.state.kind } },
        );
      }
      await this.#kill(record, requester, signal);
    }
    // Somebody else may have deleted it meanwhile.
    const ended = this.#parts.table.byUid(record.uid);
    if (ended !== undefined) await this.#parts.removal.remove(ended);
  }

  writeStdin(
    ref: ProcessRef,
    offset: bigint,
    data: Uint8Array,
    waitMs: number | null,
    signal: AbortSignal,
  ): Promise<bigint> {
    return this.#parts.stdin.write(this.get(ref), offset, data, waitMs, signal);
  }

  closeStdin(ref: ProcessRef): Promise<void> {
    return this.#parts.stdin.close(this.get(ref));
  }

  /** Waits for any change of this process, for at most `waitMs`. */
  async changed(uid: ProcessUid, waitMs: number, signal: AbortSignal): Promise<boolean> {
    const before = this.#parts.table.byUid(uid);
    const isOther = (): boolean => this.#parts.table.byUid(uid) !== before;
    return waitUntil(
      { watch: (onChange) => this.#parts.table.watch(uid, onChange), holds: isOther },
      waitMs,
      this.#parts.clock,
      signal,
    );
  }

  async #kill(record: ProcessRecord, requester: Requester, signal: AbortSignal): Promise<void> {
    if (hasEnded(record.state)) {
      // Only descendants are left (`on_exit` wait_tree).
      await this.#parts.keeper.signal(record.uid, SIGKILL, "tree");
    } else {
      this.#requestStop(record, { signal: SIGKILL, graceMs: 0 }, requester);
    }
    await this.#reach(record.uid, ({ state }) => treeHasEnded(state), null, signal);
  }

  /** Tells a worker that serves forks to go on with something else. */
  async release(ref: ProcessRef): Promise<void> {
    const { uid, name, servesForks } = this.get(ref);
    if (servesForks && (await this.#parts.keeper.release(uid))) return;
    throw new DomainError("forks-not-served", `Process ${name} serves no forks`, {
      facts: { name },
    });
  }

  #requestStop({ uid }: ProcessRecord, policy: StopPolicy, requester: Requester): void {
    this.#parts.supervisor.apply(uid, {
      kind: "stop-requested",
      stop: {
        ...requester,
        signal: policy.signal,
        deadlineMs: this.#parts.clock.now() + policy.graceMs,
        escalated: policy.graceMs === 0,
      },
    });
  }

  #reach(
    uid: ProcessUid,
    satisfies: (record: ProcessRecord) => boolean,
    waitMs: number | null,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { table, clock } = this.#parts;
    const holds = (): boolean => {
      const record = table.byUid(uid);
      return record === undefined || satisfies(record);
    };
    const watch = (onChange: () => void): Disposable => table.watch(uid, onChange);
    return waitUntil({ watch, holds }, waitMs, clock, signal);
  }

  #find(ref: ProcessRef): ProcessRecord | undefined {
    const record = this.#parts.table.byName(ref.name);
    if (record !== undefined) checkUid(record, ref.uid);
    return record;
  }
}

function stopOutcome({ state }: ProcessRecord, onlyDescendants: boolean): StopResult["outcome"] {
  if (state.kind !== "exited") return "unknown";
  return state.exit.escalated || onlyDescendants ? "killed" : "graceful";
}

function satisfier(condition: WaitCondition): (record: ProcessRecord) => boolean {
  return condition === "ended"
    ? ({ state }) => hasEnded(state)
    : ({ state }) => treeHasEnded(state);
}
