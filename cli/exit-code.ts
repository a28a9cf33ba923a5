import { describeExit as describeKnownExit, parseExit } from "../client/typescript/exit.js";
import { type ExitRecord } from "../proto/gen/forkbus/v1/process.js";

/** The codes with which `forkbus` itself ends. docs/CLI.md is their documentation. */
export const exitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  timedOut: 124,
  /** `run` and `wait`: forkbus failed, not the worker; or how the worker ended is unknown. */
  notTheWorker: 125,
  notRunnable: 126,
  notFound: 127,
  brokenPipe: 141,
} as const;

/** What a shell would show for a process that ended this way: its code, 128+N for signal N, 125 when nobody knows. */
export function codeOfExit(exit: ExitRecord | undefined): number {
  const outcome = exit?.outcome;
  switch (outcome?.$case) {
    case "exitCode":
      return outcome.value;
    case "signal":
      return 128 + outcome.value.number;
    case "lost":
    case undefined:
      return exitCode.notTheWorker;
  }
}

/** Which family of codes a command's own failures have. */
export type FailureCodes = "plain" | "worker";

/** What the exit code of a failed call depends on. */
export interface CallFailure {
  /** Name of the gRPC code. */
  readonly code: string;
  /** Name of the ErrorReason. */
  readonly reason: string;
}

/**
 * The exit code for a call that the daemon refused. Commands that end with a worker's code (`worker`) keep away from
 * the codes that workers use, as env(1) does.
 */
export function codeOfFailure(failure: CallFailure, codes: FailureCodes): number {
  if (codes === "worker") {
    if (failure.reason === "EXECUTABLE_NOT_FOUND") return exitCode.notFound;
    if (failure.reason === "EXECUTABLE_NOT_RUNNABLE") return exitCode.notRunnable;
    return exitCode.notTheWorker;
  }
  if (failure.reason === "SIGNAL_UNKNOWN") return exitCode.usage;
  return failure.code === "UNAVAILABLE" ? exitCode.unreachable : exitCode.failed;
}

/** One sentence on how a process ended, without a full stop. */
export function describeExit(exit: ExitRecord | undefined): string {
  return exit?.outcome === undefined ? "has not ended" : describeKnownExit(parseExit(exit));
}

/** The exit in a few characters for a table: `0`, `SIGKILL`, `lost`, or nothing while it runs. */
export function shortExit(exit: ExitRecord | undefined): string {
  const outcome = exit?.outcome;
  switch (outcome?.$case) {
    case "exitCode":
      return outcome.value.toString();
    case "signal":
      return outcome.value.name || `signal ${outcome.value.number}`;
    case "lost":
      return "lost";
    case undefined:
      return "";
  }
}
