import { type Clock } from "../core/clock.js";
import { DomainError } from "../core/errors.js";
import { type ProcessUid } from "../core/ids.js";
import { type CpuLedger } from "../cpus/cpu-ledger.js";
import { type Births } from "./births.js";
import { type EndAcknowledgements } from "./end-acknowledgements.js";
import { type EndReport, give, type Keeper, type KeptWorker } from "./keeper.js";
import { type KeeperRetries } from "./keeper-retries.js";
import {
  type KeeperIdentity,
  type LostReason,
  type ProcessEvent,
  type Worker,
} from "./process-state.js";
import { type ProcessTable } from "./process-table.js";
import { type Finding, reconcile } from "./reconciliation.js";
import { type RecordWriter } from "./record-writer.js";
import { type Removal } from "./removal.js";
import { strangerRecord } from "./stranger.js";

export interface ReunionParts {
  readonly table: ProcessTable;
  readonly ledger: CpuLedger<ProcessUid>;
  readonly keeper: Keeper;
  readonly births: Births;
  readonly writer: RecordWriter;
  readonly removal: Removal;
  /** Records of an earlier daemon that may be out of date. */
  readonly suspects: ReadonlySet<ProcessUid>;
  readonly clock: Clock;
  readonly log: { warn(message: string, fields: Readonly<Record<string, unknown>>): void };
}

/** What can become of a process. */
export interface Fates {
  readonly keeperIdentity: KeeperIdentity | null;
  apply(uid: ProcessUid, event: ProcessEvent): unknown;
  spawned(uid: ProcessUid, worker: Worker): void;
  exited(uid: ProcessUid, end: EndReport): void;
  treeGone(uid: ProcessUid): void;
  cannotStart(uid: ProcessUid, error: Error): void;
  lose(uid: ProcessUid, reason: LostReason): void;
}

/** Brings the records and the workers of a keeper together that have not seen each other for a while, or never. */
export class Reunion {
  readonly #parts: ReunionParts;
  readonly #fates: Fates;
  readonly #retries: KeeperRetries;
  readonly #acknowledgements: EndAcknowledgements;

  constructor(
    parts: ReunionParts,
    fates: Fates,
    retries: KeeperRetries,
    acknowledgements: EndAcknowledgements,
  ) {
    this.#parts = parts;
    this.#fates = fates;
    this.#retries = retries;
    this.#acknowledgements = acknowledgements;
  }

  /** `workers`: all that the keeper has. */
  with(identity: KeeperIdentity, workers: readonly KeptWorker[]): void {
    const { table, births } = this.#parts;
    const records = [...table.all()];
    // As of now: a birth that is found makes room for an order, which this keeper gets once.
    const unordered = new Set(
      records.filter(({ uid }) => births.awaitsOrder(uid)).map(({ uid }) => uid),
    );
    for (const finding of reconcile(records, identity, workers)) this.#act(finding, unordered);
  }

  /** A worker without a record gets one. */
  takeIn(kept: KeptWorker): void {
    const { table, clock, ledger, writer } = this.#parts;
    const identity = this.#fates.keeperIdentity;
    if (identity === null) return;
    const record = strangerRecord(kept, table.nextName(), identity, clock.wallTime());
    ledger.restore(record.uid, record.spec.cpus, record.placement);
    table.put(record);
    void writer.keep(record.uid);
    if (kept.end !== null) this.#fates.exited(kept.uid, kept.end);
  }

  /** `unordered`: no keeper has heard of these intents before this one. */
  #act(finding: Finding, unordered: ReadonlySet<ProcessUid>): void {
    switch (finding.kind) {
      case "spawned":
        this.#fates.spawned(finding.uid, finding.worker);
        return;
      case "exited":
        this.#fates.exited(finding.uid, finding.end);
        return;
      case "tree-gone":
        this.#fates.treeGone(finding.uid);
        return;
      case "acknowledge":
        this.#acknowledgements.whenKept(finding.uid, this.#parts.writer.keep(finding.uid));
        return;
      case "forgotten":
        this.#parts.removal.noteAcknowledged(finding.uid);
        return;
      case "not-born":
        // An intent whose order is about to be given needs nothing.
        if (!unordered.has(finding.uid)) this.#notBorn(finding.uid);
        return;
      case "adopt":
        this.#adopt(finding.uid, finding.worker);
        return;
      case "lost":
        // Its order goes to the keeper that is there then.
        if (unordered.has(finding.uid)) this.#redirect(finding.uid);
        else this.#fates.lose(finding.uid, finding.reason);
        return;
      case "unknown":
        this.#parts.log.warn("worker without a record found", { uid: finding.kept.uid });
        this.takeIn(finding.kept);
        return;
    }
  }

  #notBorn(uid: ProcessUid): void {
    const order = this.#parts.births.orderOf(uid);
    if (order !== undefined) give(this.#parts.keeper, order);
    // Where later records were damaged, it may have been born, and have ended.
    else if (this.#parts.suspects.has(uid)) this.#fates.lose(uid, "record-damaged");
    else {
      const error = new DomainError("keeper-unreachable", "The order did not reach the keeper");
      this.#fates.cannotStart(uid, error);
    }
  }

  #adopt(uid: ProcessUid, worker: Worker): void {
    const keeper = this.#fates.keeperIdentity;
    const record = this.#parts.table.byUid(uid);
    if (keeper === null || record === undefined) return;
    this.#parts.keeper.adopt(uid, worker, record.spec).then(
      (adoption) => {
        if (adoption === null) this.#fates.lose(uid, "keeper-died");
        else this.#fates.apply(uid, { kind: "adopted", keeper, ...adoption });
      },
      (error: unknown) => {
        this.#retries.again("worker could not be adopted", uid, error, () => {
          this.#adopt(uid, worker);
        });
      },
    );
  }

  #redirect(uid: ProcessUid): void {
    const keeper = this.#fates.keeperIdentity;
    if (keeper !== null) this.#fates.apply(uid, { kind: "redirected", keeper });
  }
}
