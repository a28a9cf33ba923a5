import type {
  TemplateFailure as FailureMessage,
  ZygoteReport as ReportMessage,
} from "../../proto/gen/forkbus/v1/template.js";
import { TemplateFailedError } from "./errors.js";
import { parseTime } from "./exit.js";
import { parseException, type WorkerException } from "./worker-error.js";

/** Why no zygote could be made. */
export interface TemplateFailure {
  /** The preload or init function that failed; empty when it was neither. */
  readonly module: string;
  /** What it raised; undefined when it hung, exited or left something behind. */
  readonly exception: WorkerException | undefined;
  /** One sentence. */
  readonly message: string;
  /** Threads that were left running, which make forking unsafe. */
  readonly threads: readonly string[];
  /** Files, pipes and sockets that were left open and are not in `keepFds`. */
  readonly openFiles: readonly string[];
  /** The end of what it wrote to stderr. */
  readonly stderrTail: string;
}

/** What the zygote of a template has inside. */
export interface ZygoteReport {
  readonly pid: number;
  readonly readyTime: Date | undefined;
  /** Such as `3.11.7`. */
  readonly runtimeVersion: string;
  /** In the order of loading, each with everything that it loaded in turn. */
  readonly modules: readonly { readonly name: string; readonly loadMs: number }[];
  readonly threads: readonly string[];
  readonly openFiles: readonly string[];
  /** 0 where the daemon may not look. */
  readonly rssBytes: number;
  /** Shared pages counted by their share. */
  readonly pssBytes: number;
  /** Workers forked since it is ready. */
  readonly forks: number;
  /** The last of what it and its preloads wrote. */
  readonly stdoutTail: string;
  readonly stderrTail: string;
}

export function parseFailure(failure: FailureMessage): TemplateFailure {
  const { exception } = failure;
  return { ...failure, exception: exception && parseException(exception) };
}

export function parseReport(report: ReportMessage): ZygoteReport {
  return {
    ...report,
    readyTime: parseTime(report.readyTime),
    modules: report.modules.map(({ name, loadUs }) => ({ name, loadMs: loadUs / 1000 })),
    rssBytes: Number(report.rssBytes),
    pssBytes: Number(report.pssBytes),
    forks: Number(report.forks),
  };
}

/** The error that a create would be answered with, and the traceback on top. */
export function templateFailed(template: string, failure: TemplateFailure): TemplateFailedError {
  const { module, exception, message } = failure;
  const metadata = { template, module, exception: exception?.type ?? "" };
  const error = new TemplateFailedError(`The template ${template} has failed: ${message}`, {
    code: "FAILED_PRECONDITION",
    details: { reason: "PRELOAD_FAILED", metadata, retryAfterMs: undefined },
  });
  const rest = exception?.traceback ?? failure.stderrTail;
  if (rest !== "") error.stack = `${error.stack ?? ""}\n\nIn the zygote of ${template}:\n${rest}`;
  return error;
}
