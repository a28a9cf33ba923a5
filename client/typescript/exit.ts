import {
  ExitCause,
  type ExitRecord,
  LostReason,
  type ResourceUsage as UsageMessage,
} from "../../proto/gen/forkbus/v1/process.js";
import type { Timestamp } from "../../proto/gen/google/protobuf/timestamp.js";

/** How a process ended. Nothing here is guessed: what is not known is undefined, or the kind is `lost`. */
export type Exit = ExitFacts &
  (
    | { readonly kind: "exited"; readonly code: number }
    | {
        readonly kind: "signaled";
        readonly signal: number;
        /** Such as `SIGKILL`. */
        readonly signalName: string;
        readonly coreDumped: boolean;
      }
    | { readonly kind: "lost"; readonly reason: LostCause; readonly message: string }
  );

export interface ExitFacts {
  /** Exit code 0, and nothing else. */
  readonly succeeded: boolean;
  readonly cause: Cause;
  /** Who asked for the end, and with which request id; empty when nobody did. */
  readonly requestedBy: string;
  readonly requestId: string;
  readonly usage: ResourceUsage | undefined;
  readonly startTime: Date | undefined;
  /** When the end was seen; of a lost process, the latest time at which it can have been. */
  readonly endTime: Date | undefined;
}

export type Cause = "unknown" | "self" | "signal-requested" | "stop-requested";
export type LostCause = "unknown" | "reboot" | "keeper-died" | "namespace-gone" | "record-damaged";

/** What the worker and its waited-for children used. */
export interface ResourceUsage {
  readonly userMs: number;
  readonly systemMs: number;
  readonly maxRssBytes: number;
}

const causes: Readonly<Record<number, Cause>> = {
  [ExitCause.SELF]: "self",
  [ExitCause.SIGNAL_REQUESTED]: "signal-requested",
  [ExitCause.STOP_REQUESTED]: "stop-requested",
};

const lostCauses: Readonly<Record<number, LostCause>> = {
  [LostReason.REBOOT]: "reboot",
  [LostReason.KEEPER_DIED]: "keeper-died",
  [LostReason.NAMESPACE_GONE]: "namespace-gone",
  [LostReason.RECORD_DAMAGED]: "record-damaged",
};

/** Reads an exit record. An outcome that this client does not know counts as lost, with a message that says so. */
export function parseExit(record: ExitRecord): Exit {
  const facts: ExitFacts = {
    succeeded: record.succeeded,
    cause: causes[record.cause] ?? "unknown",
    requestedBy: record.requestedBy,
    requestId: record.requestId,
    usage: record.usage && parseUsage(record.usage),
    startTime: parseTime(record.startTime),
    endTime: parseTime(record.endTime),
  };
  const { outcome } = record;
  switch (outcome?.$case) {
    case "exitCode":
      return { ...facts, kind: "exited", code: outcome.value };
    case "signal": {
      const { number, name, coreDumped } = outcome.value;
      return { ...facts, kind: "signaled", signal: number, signalName: name, coreDumped };
    }
    case "lost": {
      const { reason, message } = outcome.value;
      return { ...facts, kind: "lost", reason: lostCauses[reason] ?? "unknown", message };
    }
    case undefined:
      return {
        ...facts,
        kind: "lost",
        reason: "unknown",
        message: "The daemon reports an outcome that this client does not know",
      };
  }
}

/** Python's exit code: what the worker gave, or minus the number of its signal; null when nobody knows. */
export function exitCodeOf(exit: Exit): number | null {
  switch (exit.kind) {
    case "exited":
      return exit.code;
    case "signaled":
      return -exit.signal;
    case "lost":
      return null;
  }
}

/** The end in words, after the name of the worker. */
export function describeExit(exit: Exit): string {
  switch (exit.kind) {
    case "exited":
      return `exited with code ${exit.code}`;
    case "signaled": {
      const core = exit.coreDumped ? " and dumped core" : "";
      return `was killed by ${exit.signalName || `signal ${exit.signal}`}${core}`;
    }
    case "lost":
      return `was lost: ${exit.message.replace(/\.$/, "") || "nobody knows how it ended"}`;
  }
}

function parseUsage(usage: UsageMessage): ResourceUsage {
  return {
    userMs: Number(usage.userUs) / 1000,
    systemMs: Number(usage.systemUs) / 1000,
    maxRssBytes: Number(usage.maxRssBytes),
  };
}

export function parseTime(time: Timestamp | undefined): Date | undefined {
  return time && new Date(Number(time.seconds) * 1000 + Math.floor(time.nanos / 1e6));
}
