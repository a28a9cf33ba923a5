import { type ProcessUid } from "../core/ids.js";
import { type EndReport, type KeptWorker } from "./keeper.js";
import { type ProcessRecord } from "./process-record.js";
import {
  hasEnded,
  type KeeperIdentity,
  type LostReason,
  treeHasEnded,
  type Worker,
} from "./process-state.js";

/** What is to be done about one process after a look at the keeper's table. */
export type Finding =
  /** It was born while nobody was listening. */
  | { readonly kind: "spawned"; readonly uid: ProcessUid; readonly worker: Worker }
  /** It ended while nobody was listening. */
  | { readonly kind: "exited"; readonly uid: ProcessUid; readonly end: EndReport }
  /** Its end is known: only the keeper does not know that yet. */
  | { readonly kind: "acknowledge"; readonly uid: ProcessUid }
  /** Its end is kept, and the keeper has forgotten it. */
  | { readonly kind: "forgotten"; readonly uid: ProcessUid }
  /** The keeper never got the order. */
  | { readonly kind: "not-born"; readonly uid: ProcessUid }
  /** Its keeper has died: ask this one to watch over it. */
  | { readonly kind: "adopt"; readonly uid: ProcessUid; readonly worker: Worker }
  | { readonly kind: "lost"; readonly uid: ProcessUid; readonly reason: LostReason }
  /** Its worker and all descendants are gone, which was not noticed. */
  | { readonly kind: "tree-gone"; readonly uid: ProcessUid }
  /** A worker without a record: the record was damaged. */
  | { readonly kind: "unknown"; readonly kept: KeptWorker };

/**
 * Compares the records with the keeper's table. Nothing is guessed: what neither of them knows is
 * lost, with the reason.
 */
export function reconcile(
  records: Iterable<ProcessRecord>,
  keeper: KeeperIdentity,
  workers: readonly KeptWorker[],
): readonly Finding[] {
  const findings: Finding[] = [];
  const kept = new Map(workers.map((worker) => [worker.uid, worker]));
  for (const record of records) {
    const known = kept.get(record.uid);
    kept.delete(record.uid);
    if (known === undefined) findings.push(...withoutWorker(record, keeper));
    else findings.push(...withWorker(record, known));
  }
  for (const unknown of kept.values()) findings.push({ kind: "unknown", kept: unknown });
  return findings;
}

function withWorker({ uid, state }: ProcessRecord, known: KeptWorker): readonly Finding[] {
  const findings: Finding[] = [];
  if (state.kind === "starting" && known.worker !== null) {
    findings.push({ kind: "spawned", uid, worker: known.worker });
  }
  if (known.end === null) return findings;
  if (!hasEnded(state)) return [...findings, { kind: "exited", uid, end: known.end }];
  // The keeper waits for its tree, and is told only when that has ended.
  if (known.end.descendantsAlive) return findings;
  return [...findings, { kind: treeHasEnded(state) ? "acknowledge" : "tree-gone", uid }];
}

function withoutWorker({ uid, state }: ProcessRecord, keeper: KeeperIdentity): readonly Finding[] {
  switch (state.kind) {
    case "lost":
      return [{ kind: "forgotten", uid }];
    case "exited":
      return [state.descendantsAlive ? { kind: "tree-gone", uid } : { kind: "forgotten", uid }];
    case "starting": {
      if (state.keeper.instance === keeper.instance) return [{ kind: "not-born", uid }];
      return [{ kind: "lost", uid, reason: goneWith(state.keeper, keeper) ?? "keeper-died" }];
    }
    case "running":
    case "stopping": {
      const reason = goneWith(state.worker.keeper, keeper);
      if (reason !== null) return [{ kind: "lost", uid, reason }];
      // A keeper forgets a worker only when its end has been acknowledged, hence kept.
      if (state.worker.keeper.instance === keeper.instance) {
        return [{ kind: "lost", uid, reason: "record-damaged" }];
      }
      return [{ kind: "adopt", uid, worker: state.worker }];
    }
  }
}

/** Whether the world that a worker lived in is gone; null when it is this one. */
function goneWith(then: KeeperIdentity, now: KeeperIdentity): LostReason | null {
  if (then.bootId !== now.bootId) return "reboot";
  if (then.pidNamespace !== now.pidNamespace) return "namespace-gone";
  return null;
}
