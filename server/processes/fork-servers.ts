import { type ProcessUid } from "../core/ids.js";
import { type SpawnFailure } from "./keeper.js";
import { type PayloadSummary, type Runtime } from "./target.js";

/** A template with all that it has from its parents: what its zygote, or a spawned worker of it, is made of. */
export interface Recipe {
  readonly runtime: Runtime;
  /** Absolute, or a name to look up in PATH. */
  readonly interpreter: string;
  /** The program that makes it a zygote or a worker, by what it is told, and options for the interpreter before it. */
  readonly program: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly workingDir: string | null;
  readonly runAs: string | null;
  readonly modulePath: readonly string[];
  readonly preload: readonly string[];
  readonly init: InitCall | null;
  /** Python's fork; null for other runtimes. */
  readonly forkLibrary: string | null;
}

/** A function that is called once, before any target. */
export interface InitCall {
  readonly function: string;
  readonly arguments: PayloadSummary;
  readonly resultEncoding: string;
  readonly data: Uint8Array;
}

/** Where a worker can come from now. */
export type Source =
  /** Forked from this server. */
  | {
      readonly kind: "fork";
      readonly server: ProcessUid;
      readonly recipe: Recipe;
      readonly generation: number;
    }
  /** There already, and waiting; `forked`, or else spawned in advance. */
  | {
      readonly kind: "go";
      readonly recipe: Recipe;
      readonly generation: number;
      readonly forked: boolean;
    }
  /** Its template cannot be forked on this host, or a fresh one was asked for. */
  | { readonly kind: "spawn"; readonly recipe: Recipe; readonly generation: number };

/** One worker that is to be made when a fork server has time for it. */
export interface BirthJob {
  readonly uid: ProcessUid;
  readonly template: string;
  /** It has been given already, to a worker that was made in advance; only if that fails it is to be started. */
  readonly started: boolean;
  /** Gives its order to the keeper, now that it is known where it comes from. */
  start(source: Source): void;
  /** It cannot be made. */
  fail(error: Error): void;
}

/** Made before anybody asked for it. */
export interface WarmWorker {
  readonly uid: ProcessUid;
  readonly generation: number;
  /** What it, or its zygote, was made from. */
  readonly recipe: Recipe;
  /** Of a zygote; else it was spawned, because the template cannot be forked on this host. */
  readonly forked: boolean;
}

/** Where workers come from that are not started afresh. The templates are. */
export interface ForkServers {
  /** What can be known at once. DomainError `template-not-found`, `preload-failed`, or `invalid-field` for another runtime. */
  check(template: string, runtime: Runtime): void;
  /** A fresh one of its kind. */
  recipe(template: string): { readonly recipe: Recipe; readonly generation: number };
  /** A worker that was made in advance, which is the caller's from now on; `plain`: one that was spawned will do. */
  takeWarm(template: string, plain: boolean): WarmWorker | undefined;
  /** Starts the job as soon as it can be; jobs of one template in the order in which they came. */
  submit(job: BirthJob): void;
  /** The worker of a job is born. */
  noteBorn(uid: ProcessUid): void;
  /** The worker of a job is not waited for any more, born or not. */
  noteGone(uid: ProcessUid): void;
  /** It is not wanted any more: true when it only waited, and nothing has been ordered. */
  withdraws(uid: ProcessUid): boolean;
  /** Its worker was not born: true when it is tried again, false when it is over with it. */
  retries(uid: ProcessUid, failure: SpawnFailure): boolean;
}

/**
 * The answer to a go for what is not held any more. That it had ended was told before, so that another order for the same
 * worker may have been given by now, which this says nothing of.
 */
export function isLateGo({ step, errno }: SpawnFailure): boolean {
  return step === "request" && errno === "ECHILD";
}

/** No code of the user has run, and nothing is left of it. */
export function isNeverBorn({ step, errno }: SpawnFailure): boolean {
  switch (step) {
    case "birth":
      return true;
    case "fork":
      return errno !== "EBUSY";
    case "request":
      return errno === "ESRCH" || errno === "ECHILD";
    case "specification":
      // Killed with its fork server, in whose leaf it still was; or stopped while it waited for its go.
      return errno === "EINTR" || errno === "ETIME";
    case "directory":
    case "files":
    case "cgroup":
    case "clone":
    case "session":
    case "rlimit":
    case "affinity":
    case "user":
    case "cwd":
    case "exec":
    case "limits":
      return false;
  }
}
