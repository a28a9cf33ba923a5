import { DomainError } from "../core/errors.js";

/** What a zygote says of itself when it is ready: docs/FORK-SERVERS.md, "The result file". */
export interface ZygoteReport {
  /** Such as `3.11.7`. */
  readonly runtimeVersion: string;
  readonly modules: readonly { readonly name: string; readonly loadUs: number }[];
  readonly threads: readonly string[];
  readonly openFiles: readonly string[];
  readonly canFork: boolean;
  /** Why it cannot. */
  readonly why: string;
}

/** Why a zygote could not be made. */
export interface TemplateFailure {
  /** The preload or init function that failed; empty when it was neither. */
  readonly module: string;
  readonly exception: WorkerException | null;
  readonly message: string;
  readonly threads: readonly string[];
  readonly openFiles: readonly string[];
  readonly stderrTail: string;
}

/** What code of the user raised or threw. */
export interface WorkerException {
  readonly type: string;
  readonly message: string;
  readonly traceback: string;
}

export function failureOf(message: string, stderrTail = ""): TemplateFailure {
  return { module: "", exception: null, message, threads: [], openFiles: [], stderrTail };
}

/** Creating from it fails like this. */
export function preloadFailed(name: string, failure: TemplateFailure): DomainError {
  const { module, exception, message } = failure;
  return new DomainError("preload-failed", `The template ${name} cannot be used: ${message}`, {
    facts: { template: name, module, exception: exception?.type ?? "" },
  });
}
