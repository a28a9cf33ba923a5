import { type CpuSet } from "../cpus/cpu-set.js";
import { SIGKILL } from "./signals.js";

/**
 * The life of one process, as a pure function. Nothing here reads a clock, sends a signal or
 * writes a record: `step` says what should be done and the supervisor does it. `exited` and `lost`
 * are final but for the end of descendants; events that arrive after them are stale.
 */
export type ProcessState =
  | {
      readonly kind: "starting";
      readonly stop: StopRequest | null;
      /** The keeper that the order goes to. */
      readonly keeper: KeeperIdentity;
    }
  | { readonly kind: "running"; readonly worker: Worker; readonly signal: SignalRequest | null }
  | { readonly kind: "stopping"; readonly worker: Worker; readonly stop: StopRequest }
  | {
      readonly kind: "exited";
      readonly worker: Worker;
      readonly exit: Exit;
      readonly descendantsAlive: boolean;
    }
  | { readonly kind: "lost"; readonly worker: Worker | null; readonly loss: Loss };

/** Which keeper, in which world: a pid means nothing outside of its boot and namespace. */
export interface KeeperIdentity {
  /** Made anew at every start of a keeper; survives its upgrades. */
  readonly instance: string;
  readonly bootId: string;
  readonly pidNamespace: bigint;
}

/** The operating-system process. It is (boot, pid namespace, pid, start ticks), never a bare pid. */
export interface Worker {
  /** The keeper that is, or was last, its parent or foster parent. */
  readonly keeper: KeeperIdentity;
  readonly pid: number;
  readonly startTicks: bigint;
  /** Wall clock. */
  readonly startTimeMs: number;
  /** As the kernel said last. */
  readonly cpus: CpuSet;
  readonly cgroup: string | null;
}

/** Who asked, for the exit record. */
export interface Requester {
  readonly principal: string;
  readonly requestId: string;
}

export interface StopRequest extends Requester {
  readonly signal: number;
  /** On the monotonic clock of this boot: when the tree is killed. */
  readonly deadlineMs: number;
  /** The whole tree is killed: the deadline has come, or there was no grace. */
  readonly escalated: boolean;
}

export interface SignalRequest extends Requester {
  readonly signal: number;
}

export type ExitOutcome =
  | { readonly kind: "code"; readonly code: number }
  | { readonly kind: "signal"; readonly number: number; readonly coreDumped: boolean };

export interface Exit {
  readonly outcome: ExitOutcome;
  readonly source: "waitid" | "pidfd-info" | "proc-stat";
  readonly cause: ExitCause;
  /** Null when nobody asked for the end. */
  readonly requester: Requester | null;
  readonly escalated: boolean;
  readonly usage: ResourceUsage | null;
  /** Wall clock, when the keeper saw it. */
  readonly endTimeMs: number;
  readonly output: OutputExtents;
}

export type ExitCause = "unknown" | "self" | "signal-requested" | "stop-requested";

export interface ResourceUsage {
  readonly userUs: bigint;
  readonly systemUs: bigint;
  readonly maxRssBytes: bigint;
  readonly minorFaults: bigint;
  readonly majorFaults: bigint;
  readonly voluntarySwitches: bigint;
  readonly involuntarySwitches: bigint;
}

/** What can be read of an output file: bytes from `begin` up to `end`, of this epoch. */
export interface LogExtent {
  readonly epoch: number;
  readonly begin: number;
  readonly end: number;
}

export interface OutputExtents {
  readonly stdout: LogExtent;
  readonly stderr: LogExtent;
}

export type LostReason = "reboot" | "keeper-died" | "namespace-gone" | "record-damaged";

export interface Loss {
  readonly reason: LostReason;
  readonly message: string;
  /** Wall clock: the latest time at which it can have ended. */
  readonly endTimeMs: number;
}

/** How a worker ended, as the keeper reports it, before anyone has said why. */
export type ExitReport = Omit<Exit, "cause" | "requester" | "escalated">;

export type ProcessEvent =
  | { readonly kind: "spawned"; readonly worker: Worker }
  | { readonly kind: "redirected"; readonly keeper: KeeperIdentity }
  | { readonly kind: "adopted"; readonly keeper: KeeperIdentity; readonly cgroup: string | null }
  /** The kernel says on which CPUs it may run now. */
  | { readonly kind: "cpus-seen"; readonly cpus: CpuSet }
  | { readonly kind: "signalled"; readonly signal: SignalRequest }
  /** It could not be sent. */
  | { readonly kind: "signal-failed"; readonly signal: SignalRequest }
  | { readonly kind: "stop-requested"; readonly stop: StopRequest }
  | { readonly kind: "stop-deadline" }
  | { readonly kind: "exited"; readonly report: ExitReport; readonly descendantsAlive: boolean }
  | { readonly kind: "tree-gone" }
  | { readonly kind: "lost"; readonly loss: Loss };

export type Effect =
  | { readonly kind: "signal"; readonly signal: number; readonly scope: "worker" | "tree" }
  | { readonly kind: "arm-stop-deadline"; readonly atMs: number };

export type Step = readonly [next: ProcessState, effects: readonly Effect[]];

export function step(state: ProcessState, event: ProcessEvent): Step {
  switch (event.kind) {
    case "spawned":
      return spawned(state, event.worker);
    case "redirected":
      return redirected(state, event.keeper);
    case "adopted":
      return adopted(state, event.keeper, event.cgroup);
    case "cpus-seen":
      return cpusSeen(state, event.cpus);
    case "signalled":
      return state.kind === "running" ? [{ ...state, signal: event.signal }, []] : [state, []];
    case "signal-failed":
      return state.kind === "running" && state.signal === event.signal
        ? [{ ...state, signal: null }, []]
        : [state, []];
    case "stop-requested":
      return stopRequested(state, event.stop);
    case "stop-deadline":
      return stopDeadline(state);
    case "exited":
      return exited(state, event.report, event.descendantsAlive);
    case "tree-gone":
      return state.kind === "exited" ? [{ ...state, descendantsAlive: false }, []] : [state, []];
    case "lost":
      return lost(state, event.loss);
  }
}

/**
 * The keeper will tell the next daemon, or the kernel. Who was born is not among these: of it nobody would know if the keeper
 * died as well.
 */
export function isToldAgain({ kind }: ProcessEvent): boolean {
  return kind === "cpus-seen" || kind === "exited" || kind === "tree-gone";
}

export function hasEnded(state: ProcessState): boolean {
  return state.kind === "exited" || state.kind === "lost";
}

/** Nothing of the process is alive any more. */
export function treeHasEnded(state: ProcessState): boolean {
  return state.kind === "lost" || (state.kind === "exited" && !state.descendantsAlive);
}

export function workerOf(state: ProcessState): Worker | null {
  return state.kind === "starting" ? null : state.worker;
}

function spawned(state: ProcessState, worker: Worker): Step {
  if (state.kind !== "starting") return [state, []];
  return state.stop === null
    ? [{ kind: "running", worker, signal: null }, []]
    : beginStopping(worker, state.stop);
}

/** The order has not been given yet, and goes to another keeper. */
function redirected(state: ProcessState, keeper: KeeperIdentity): Step {
  return state.kind === "starting" ? [{ ...state, keeper }, []] : [state, []];
}

function adopted(state: ProcessState, keeper: KeeperIdentity, cgroup: string | null): Step {
  if (state.kind === "starting" || state.kind === "lost") return [state, []];
  return [{ ...state, worker: { ...state.worker, keeper, cgroup } }, []];
}

function cpusSeen(state: ProcessState, cpus: CpuSet): Step {
  if (state.kind !== "running" && state.kind !== "stopping") return [state, []];
  return [{ ...state, worker: { ...state.worker, cpus } }, []];
}

function stopRequested(state: ProcessState, stop: StopRequest): Step {
  switch (state.kind) {
    case "starting":
      return [{ ...state, stop: earlier(state.stop, stop) }, []];
    case "running":
      return beginStopping(state.worker, stop);
    case "stopping": {
      const sooner = earlier(state.stop, stop);
      if (sooner === state.stop) return [state, []];
      return beginStopping(state.worker, sooner);
    }
    case "exited":
    case "lost":
      return [state, []];
  }
}

/** A second stop may shorten the grace, never lengthen it. */
function earlier(first: StopRequest | null, second: StopRequest): StopRequest {
  if (first === null) return second;
  return !first.escalated && second.deadlineMs < first.deadlineMs ? second : first;
}

function beginStopping(worker: Worker, stop: StopRequest): Step {
  return [{ kind: "stopping", worker, stop }, stopEffects(stop)];
}

/** What is done again when it is not known whether it was done. */
export function pendingEffects(state: ProcessState): readonly Effect[] {
  if (state.kind === "stopping") return stopEffects(state.stop);
  if (state.kind === "exited" && state.descendantsAlive && state.exit.cause === "stop-requested") {
    return KILL_TREE;
  }
  return [];
}

const KILL_TREE: readonly Effect[] = [{ kind: "signal", signal: SIGKILL, scope: "tree" }];

function stopEffects(stop: StopRequest): readonly Effect[] {
  if (stop.escalated) return KILL_TREE;
  return [
    { kind: "signal", signal: stop.signal, scope: "worker" },
    { kind: "arm-stop-deadline", atMs: stop.deadlineMs },
  ];
}

function stopDeadline(state: ProcessState): Step {
  if (state.kind !== "stopping") return [state, []];
  return beginStopping(state.worker, { ...state.stop, escalated: true });
}

function exited(state: ProcessState, report: ExitReport, descendantsAlive: boolean): Step {
  if (state.kind !== "running" && state.kind !== "stopping") return [state, []];
  const exit: Exit = { ...report, ...attribution(state, report.outcome) };
  const next: ProcessState = { kind: "exited", worker: state.worker, exit, descendantsAlive };
  // A stop ends the whole tree, also of a worker whose descendants may otherwise outlive it.
  return [next, pendingEffects(next)];
}

/** Why it ended, as far as what we did proves it. */
function attribution(
  state: ProcessState & { kind: "running" | "stopping" },
  outcome: ExitOutcome,
): Pick<Exit, "cause" | "requester" | "escalated"> {
  if (state.kind === "stopping") {
    const { principal, requestId, escalated } = state.stop;
    return { cause: "stop-requested", requester: { principal, requestId }, escalated };
  }
  if (outcome.kind === "code") return { cause: "self", requester: null, escalated: false };
  if (state.signal?.signal === outcome.number) {
    const { principal, requestId } = state.signal;
    return { cause: "signal-requested", requester: { principal, requestId }, escalated: false };
  }
  return { cause: "unknown", requester: null, escalated: false };
}

function lost(state: ProcessState, loss: Loss): Step {
  if (hasEnded(state)) return [state, []];
  return [{ kind: "lost", worker: workerOf(state), loss }, []];
}
