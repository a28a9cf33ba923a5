import * as proto from "../../../proto/gen/forkbus/v1/process.js";
import { invalidField } from "../../core/errors.js";
import { formatProcessUid, type ProcessUid, parseProcessUid } from "../../core/ids.js";
import { type ProcessRecord } from "../../processes/process-record.js";
import {
  type Exit,
  type LogExtent,
  type Loss,
  type OutputExtents,
  type ProcessState,
  treeHasEnded,
  type Worker,
  workerOf,
} from "../../processes/process-state.js";
import { signalName } from "../../processes/signals.js";
import { type StartTimings } from "../../processes/start-timings.js";
import { fromSpec, START_METHODS } from "./process-spec.js";
import { fromWallTime } from "./timestamp.js";

/** `output`: where both files are now; undefined where nobody looked. `result`: what the function gave back. */
export function fromRecord(
  record: ProcessRecord,
  output: OutputExtents | undefined,
  result: proto.ProcessResult | undefined,
): proto.Process {
  return {
    name: record.name,
    uid: formatProcessUid(record.uid),
    revision: BigInt(record.revision),
    labels: { ...record.labels },
    spec: fromSpec(record.spec),
    status: fromState(record, output, result),
    createTime: fromWallTime(record.createTimeMs),
    owner: record.owner,
  };
}

/** A process that is known by name only. */
export function nameOnly(name: string): proto.Process {
  return proto.Process.fromPartial({ name });
}

/** Null when the call does not say. */
export function toUid(text: string): ProcessUid | null {
  if (text === "") return null;
  const uid = parseProcessUid(text);
  if (uid === undefined) throw invalidField("uid", text.slice(0, 64), "uid is no UUID");
  return uid;
}

const STATES = {
  starting: proto.ProcessState.STARTING,
  running: proto.ProcessState.RUNNING,
  stopping: proto.ProcessState.STOPPING,
  exited: proto.ProcessState.EXITED,
  lost: proto.ProcessState.LOST,
} as const satisfies Record<ProcessState["kind"], proto.ProcessState>;

export function toStateKind(state: proto.ProcessState): ProcessState["kind"] {
  for (const kind of ["starting", "running", "stopping", "exited", "lost"] as const) {
    if (STATES[kind] === state) return kind;
  }
  throw invalidField("states", String(state), "states has a value that is no state of a process");
}

function fromState(
  { state, placement, birth, servesForks }: ProcessRecord,
  output: OutputExtents | undefined,
  result: proto.ProcessResult | undefined,
): proto.ProcessStatus {
  const worker = workerOf(state);
  const closed = treeHasEnded(state);
  const extents = output ?? (state.kind === "exited" ? state.exit.output : undefined);
  return {
    state: STATES[state.kind],
    message: messageOf(state),
    pid: worker?.pid ?? 0,
    startTicks: worker?.startTicks ?? 0n,
    bootId: worker?.keeper.bootId ?? "",
    startMethod: START_METHODS[birth.method],
    warm: birth.warm,
    templateGeneration: BigInt(birth.generation),
    unenforcedLimits: [...birth.unenforced],
    servesForks,
    startTimings: birth.timings === null ? undefined : fromTimings(birth.timings),
    result,
    cpus: [...(worker?.cpus ?? [])],
    cgroup: worker?.cgroup ?? "",
    startTime: worker === null ? undefined : fromWallTime(worker.startTimeMs),
    exit: fromEnd(state),
    stdout: extents && fromExtent(extents.stdout, closed),
    stderr: extents && fromExtent(extents.stderr, closed),
    assignedCpus: [...(placement ?? [])],
    descendantsAlive: state.kind === "exited" && state.descendantsAlive,
  };
}

function fromTimings(timings: StartTimings): proto.StartTimings {
  return {
    admissionUs: BigInt(timings.admissionUs),
    pendingUs: BigInt(timings.pendingUs),
    hopUs: BigInt(timings.hopUs),
    forkUs: BigInt(timings.forkUs),
    specialiseUs: BigInt(timings.specialiseUs),
    firstLineUs: BigInt(timings.firstLineUs),
    totalUs: BigInt(timings.totalUs),
  };
}

function messageOf(state: ProcessState): string {
  switch (state.kind) {
    case "starting":
      return "Its program does not run yet";
    case "running":
      return "";
    case "stopping":
      return state.stop.escalated
        ? `Being killed on request of ${state.stop.principal}`
        : `Told to end with ${signalName(state.stop.signal)} by ${state.stop.principal}`;
    case "exited":
      return state.descendantsAlive ? "It has ended, and descendants are still alive" : "";
    case "lost":
      return state.loss.message;
  }
}

function fromEnd(state: ProcessState): proto.ExitRecord | undefined {
  if (state.kind === "exited") return fromExit(state.exit, state.worker);
  if (state.kind === "lost") return fromLoss(state.loss, state.worker);
  return undefined;
}

const SOURCES = {
  waitid: proto.ExitSource.WAITID,
  "pidfd-info": proto.ExitSource.PIDFD_INFO,
  "proc-stat": proto.ExitSource.PROC_STAT,
} as const satisfies Record<Exit["source"], proto.ExitSource>;

const CAUSES = {
  unknown: proto.ExitCause.UNSPECIFIED,
  self: proto.ExitCause.SELF,
  "signal-requested": proto.ExitCause.SIGNAL_REQUESTED,
  "stop-requested": proto.ExitCause.STOP_REQUESTED,
} as const satisfies Record<Exit["cause"], proto.ExitCause>;

function fromExit(exit: Exit, worker: Worker): proto.ExitRecord {
  const { outcome } = exit;
  return {
    outcome:
      outcome.kind === "code"
        ? { $case: "exitCode", value: outcome.code }
        : {
            $case: "signal",
            value: {
              number: outcome.number,
              name: signalName(outcome.number),
              coreDumped: outcome.coreDumped,
            },
          },
    source: SOURCES[exit.source],
    cause: CAUSES[exit.cause],
    requestedBy: exit.requester?.principal ?? "",
    requestId: exit.requester?.requestId ?? "",
    usage: exit.usage ?? undefined,
    startTime: fromWallTime(worker.startTimeMs),
    endTime: fromWallTime(exit.endTimeMs),
    succeeded: outcome.kind === "code" && outcome.code === 0,
  };
}

const LOST_REASONS = {
  reboot: proto.LostReason.REBOOT,
  "keeper-died": proto.LostReason.KEEPER_DIED,
  "namespace-gone": proto.LostReason.NAMESPACE_GONE,
  "record-damaged": proto.LostReason.RECORD_DAMAGED,
} as const satisfies Record<Loss["reason"], proto.LostReason>;

function fromLoss(loss: Loss, worker: Worker | null): proto.ExitRecord {
  return {
    outcome: {
      $case: "lost",
      value: { reason: LOST_REASONS[loss.reason], message: loss.message },
    },
    source: proto.ExitSource.UNSPECIFIED,
    cause: proto.ExitCause.UNSPECIFIED,
    requestedBy: "",
    requestId: "",
    usage: undefined,
    startTime: worker === null ? undefined : fromWallTime(worker.startTimeMs),
    endTime: fromWallTime(loss.endTimeMs),
    succeeded: false,
  };
}

function fromExtent({ epoch, begin, end }: LogExtent, closed: boolean): proto.LogPosition {
  const at = (offset: number): { epoch: bigint; offset: bigint } => ({
    epoch: BigInt(epoch),
    offset: BigInt(offset),
  });
  return { begin: at(begin), end: at(end), closed };
}
