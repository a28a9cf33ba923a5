import { type CpuSet } from "../cpus/cpu-set.js";
import { DomainError } from "../core/errors.js";
import { type ProcessUid } from "../core/ids.js";
import { type LogOffset, type LogStreamName } from "./output.js";
import { type ExitReport, type KeeperIdentity, type Worker } from "./process-state.js";
import { type OnExit, type ProcessSpec, type Rlimit, type StdioMode } from "./process-spec.js";
import { type Moments } from "./start-timings.js";
import { type Controller } from "./tree-limits.js";

/**
 * The program that is the parent of all workers, as the domain sees it. Calls fail with DomainError
 * `keeper-unreachable` while there is no connection; whether they took effect is then unknown, and
 * `KeeperEvents.connected` tells.
 */
export interface Keeper {
  /** Ends in one event `spawned` or `spawnFailed`, unless the connection breaks. An id is used once. */
  spawn(order: SpawnOrder): void;
  /**
   * As `spawn`, from a fork server. After a failure in the steps `birth` and `fork` nothing is left, no code of the user has
   * run, and the same id may be ordered again.
   */
  fork(order: ForkOrder): void;
  /** Forks a worker that waits for `go`. Ends in one event `born` or `spawnFailed`. */
  hold(uid: ProcessUid, server: ProcessUid): void;
  /** The same, not forked but started afresh: it waits when it has loaded what it was told to. */
  spawnHeld(order: SpawnOrder): void;
  /** What a held worker becomes. Ends as `spawn` does. */
  go(order: GoOrder): void;
  /** Tells a live worker to serve no forks any more. False when it serves none. */
  release(uid: ProcessUid): Promise<boolean>;
  /** Whether limits of trees by this controller can be enforced. */
  enforces(controller: Controller): boolean;
  /** False when there is nothing left to signal. */
  signal(uid: ProcessUid, signal: number, scope: "worker" | "tree"): Promise<boolean>;
  /** The exit is kept: the zombie may go. */
  acknowledgeExit(uid: ProcessUid): Promise<void>;
  /** Bytes before the offset that the keeper has counted are skipped; takes what fits in the pipe. */
  writeStdin(uid: ProcessUid, offset: bigint, data: Uint8Array): Promise<StdinAnswer>;
  closeStdin(uid: ProcessUid): Promise<StdinAnswer>;
  /**
   * Looks at the output files now: retention and truncation. False when it has no such worker.
   * `seen` is how far a reader has come, which the keeper may not know yet.
   */
  scanLogs(uid: ProcessUid, stream: LogStreamName, seen: LogOffset): Promise<boolean>;
  /** Removes the output of a process that it has no worker of any more. */
  removeOutput(uid: ProcessUid): Promise<void>;
  /** Moves a living worker, with all its threads, to these CPUs. False when it is gone. */
  pin(uid: ProcessUid, cpus: CpuSet): Promise<boolean>;
  /** Watches over a worker whose keeper has died. Null when that worker is gone. */
  adopt(uid: ProcessUid, worker: Worker, terms: AdoptionTerms): Promise<Adoption | null>;
}

/** Where an adopted worker is now. */
export interface Adoption {
  readonly cgroup: string | null;
}

/** What a keeper must know to watch over a worker that it has not started. */
export type AdoptionTerms = Pick<ProcessSpec, "onExit" | "logMaxBytes">;

export type StdinAnswer =
  | { readonly kind: "accepted"; readonly nextOffset: bigint }
  | { readonly kind: "gap"; readonly nextOffset: bigint }
  | { readonly kind: "not-open" }
  | { readonly kind: "ended" };

/** What every worker is given, however it comes into being. */
export interface WorkerFiles {
  readonly uid: ProcessUid;
  readonly openStdin: boolean;
  readonly stdout: StdioMode;
  readonly stderr: StdioMode;
  readonly mergeStderr: boolean;
  readonly onExit: OnExit;
  readonly logMaxBytes: number;
  /** Such as `memory.max=1048576`. */
  readonly limits: readonly string[];
}

/** A held worker becomes what the specification says. One that was spawned has its files, which are those of `SpawnOrder`. */
export interface GoOrder extends WorkerFiles {
  readonly kind: "go";
  /** To be moved to; null where it sees to that itself. */
  readonly cpus: CpuSet | null;
  readonly specification: Uint8Array;
}

export interface ForkOrder extends WorkerFiles {
  readonly kind: "fork";
  /** The fork server. */
  readonly server: ProcessUid;
  readonly specification: Uint8Array;
}

/** Everything is decided: the keeper only does it. */
export interface SpawnOrder extends WorkerFiles {
  readonly kind: "spawn";
  readonly path: string;
  readonly argv: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly workingDir: string;
  readonly umask: number;
  readonly user: UserIds | null;
  readonly cpus: CpuSet | null;
  readonly rlimits: readonly Rlimit[];
  /** Of a language process, which gets a link; null for any other program. */
  readonly specification: Uint8Array | null;
}

/** How a worker is made. */
export type BirthOrder = SpawnOrder | ForkOrder | GoOrder;

/** Whatever was asked for, nobody answers now: when the keeper is back, all workers are looked at. */
export function isKeeperAway(error: unknown): boolean {
  return error instanceof DomainError && error.code === "keeper-unreachable";
}

export function give(keeper: Keeper, order: BirthOrder): void {
  switch (order.kind) {
    case "spawn":
      keeper.spawn(order);
      return;
    case "fork":
      keeper.fork(order);
      return;
    case "go":
      keeper.go(order);
      return;
  }
}

export interface UserIds {
  readonly uid: number;
  readonly gid: number;
}

export type SpawnStep =
  | "request"
  | "directory"
  | "files"
  | "cgroup"
  | "clone"
  | "session"
  | "rlimit"
  | "affinity"
  | "user"
  | "cwd"
  | "exec"
  /** It was never born: its fork server died, or killed it. */
  | "birth"
  /** The fork server refused. */
  | "fork"
  | "specification"
  | "limits";

export interface SpawnFailure {
  readonly step: SpawnStep;
  /** Such as `ENOENT`. */
  readonly errno: string;
  /** What a fork server said. */
  readonly message: string;
}

/** How a worker that the keeper still has ended; null outcome: it is gone and nobody knows how. */
export interface EndReport {
  readonly report: ExitReport | null;
  readonly descendantsAlive: boolean;
}

/** One worker in the keeper's table. */
export interface KeptWorker {
  readonly uid: ProcessUid;
  /** Null while it is being started, also where it is to be held. */
  readonly worker: Worker | null;
  /** Null while it is alive. */
  readonly end: EndReport | null;
  /** It was made in advance, and has not been told what to become. */
  readonly held: boolean;
  readonly servesForks: boolean;
}

/** What the keeper tells, in the order in which it happened. */
export interface KeeperEvents {
  /** A new connection: the truth about every worker. Only then do the other events follow. */
  connected(identity: KeeperIdentity, workers: readonly KeptWorker[]): void;
  disconnected(): void;
  spawned(uid: ProcessUid, worker: Worker): void;
  spawnFailed(uid: ProcessUid, failure: SpawnFailure): void;
  exited(uid: ProcessUid, end: EndReport): void;
  treeGone(uid: ProcessUid): void;
  stdinReady(uid: ProcessUid): void;
  /** A held worker waits. */
  born(uid: ProcessUid): void;
  serving(uid: ProcessUid, serves: boolean): void;
  /** The target is about to be called. */
  called(uid: ProcessUid, moments: Moments): void;
}
