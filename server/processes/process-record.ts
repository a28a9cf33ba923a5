import { type CpuSet } from "../cpus/cpu-set.js";
import { type ProcessUid } from "../core/ids.js";
import { type ProcessSpec } from "./process-spec.js";
import { type ProcessState } from "./process-state.js";
import { type StartTimings } from "./start-timings.js";
import { type StartMethod } from "./target.js";

/** All that the daemon knows of a process; kept. */
export interface ProcessRecord {
  readonly uid: ProcessUid;
  readonly name: string;
  /** The client chose the name, rather than the daemon. */
  readonly named: boolean;
  /** The principal that created it. */
  readonly owner: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: ProcessSpec;
  /** Null when the create had none. */
  readonly requestId: string | null;
  /** Wall clock. */
  readonly createTimeMs: number;
  /** Of the last change. */
  readonly revision: number;
  /** CPUs assigned by the ledger; null when it is not pinned. */
  readonly placement: CpuSet | null;
  readonly birth: Birth;
  /** Whether it can be forked from now. */
  readonly servesForks: boolean;
  readonly state: ProcessState;
}

/** How the worker came, or comes, into being. */
export interface Birth {
  /** The one used: `spawn` where the template cannot be forked on this host. */
  readonly method: StartMethod;
  /** Of the template; 0 without one, and until it is known. */
  readonly generation: number;
  /** It was forked before anybody asked for it. */
  readonly warm: boolean;
  /** Null until the target has been called, and for exec. */
  readonly timings: StartTimings | null;
  /** Fields of limits that nobody enforces. */
  readonly unenforced: readonly string[];
}

/** Numbers that only grow, kept with the records. */
export interface Counters {
  /** Of the last change of any process. */
  readonly revision: number;
  /** Processes that were ever created: makes names. */
  readonly created: number;
}
