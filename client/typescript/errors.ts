import { ClientError, type Metadata, Status } from "nice-grpc-common";
import { decodeErrorDetails, type ErrorDetails, noDetails } from "./error-details.js";

/** Name of a gRPC status code, such as `NOT_FOUND`. */
export type ErrorCode = Exclude<keyof typeof Status, "OK">;

export interface ErrorInit {
  readonly code: ErrorCode;
  readonly details?: ErrorDetails;
  readonly cause?: unknown;
}

/**
 * What every failed call throws. Branch on the class or on `reason`; `code` is what is left when the daemon is newer
 * than this client and gives a reason that it does not know. An aborted call throws its signal's reason instead.
 */
export class ForkbusError extends Error {
  readonly code: ErrorCode;
  /** Name of an ErrorReason such as `PROCESS_NOT_FOUND`; empty when the daemon gave none. */
  readonly reason: string;
  /** Facts that belong to the reason, such as `field` and `value`. */
  readonly metadata: Readonly<Record<string, string>>;
  /** When the daemon thinks that the call may succeed; undefined when it does not say. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, init: ErrorInit) {
    super(message, { cause: init.cause });
    this.name = new.target.name;
    this.code = init.code;
    const { reason, metadata, retryAfterMs } = init.details ?? noDetails;
    this.reason = reason;
    this.metadata = metadata;
    this.retryAfterMs = retryAfterMs;
  }
}

/** No resource of that name, or not any more. */
export class NotFoundError extends ForkbusError {}

/** The name is taken. */
export class AlreadyExistsError extends ForkbusError {}

/** The request cannot be right: `metadata.field` says where, when there is one. */
export class InvalidArgumentError extends ForkbusError {}

/** The daemon may not do this for this caller. */
export class PermissionDeniedError extends ForkbusError {}

/** Nobody answers, or the daemon takes no work now. Whether the call took effect is not known. */
export class UnavailableError extends ForkbusError {}

/** Something took too long. A wait with a time of its own does not throw this, it answers. */
export class TimedOutError extends ForkbusError {}

/** Output that was asked for is gone. `Process.logs` reports the same as an event, and goes on. */
export class OutputGapError extends ForkbusError {
  constructor(message: string) {
    super(message, { code: "DATA_LOSS" });
  }
}

/** The process has ended already. */
export class ProcessEndedError extends ForkbusError {}

/** No room came within the wait, and nothing was put. Python's `queue.Full`. */
export class QueueFull extends ForkbusError {}

/** No item came within the wait. Python's `queue.Empty`. */
export class QueueEmpty extends ForkbusError {
  constructor(queue: string) {
    super(`The queue ${queue} has no item`, { code: "DEADLINE_EXCEEDED" });
  }
}

/** The queue takes no more items, or has no more to give. Python's `queue.ShutDown`. */
export class QueueShutDown extends ForkbusError {}

type ErrorClass = new (message: string, init: ErrorInit) => ForkbusError;

const byReason: Readonly<Record<string, ErrorClass | undefined>> = {
  QUEUE_FULL: QueueFull,
  QUEUE_SHUT_DOWN: QueueShutDown,
  PROCESS_ENDED: ProcessEndedError,
};

const byCode: Partial<Record<ErrorCode, ErrorClass>> = {
  NOT_FOUND: NotFoundError,
  ALREADY_EXISTS: AlreadyExistsError,
  INVALID_ARGUMENT: InvalidArgumentError,
  PERMISSION_DENIED: PermissionDeniedError,
  UNAVAILABLE: UnavailableError,
  DEADLINE_EXCEEDED: TimedOutError,
};

/** The typed error of a failed call; what is not a gRPC status is returned as it is. */
export function fromClientError(error: unknown, trailer: Metadata | undefined): unknown {
  if (!(error instanceof ClientError)) return error;
  const bytes = trailer?.get("grpc-status-details-bin");
  const details = bytes instanceof Uint8Array ? decodeErrorDetails(bytes) : noDetails;
  const code = details.reason === "" && isBroken(error) ? "UNAVAILABLE" : codeName(error.code);
  const Class = byReason[details.reason] ?? byCode[code] ?? ForkbusError;
  return new Class(plainText(error.details) || code, { code, details, cause: error });
}

/** The reason alone, of what grpc-js says when it gets no connection; any other text as it is. */
function plainText(details: string): string {
  const reason = /^No connection established\. Last error: (.*?)\.? Resolution note: /s.exec(
    details,
  );
  return reason?.[1]?.replace(/^(?:Error: )+/, "") ?? details;
}

/**
 * A stream that the other end reset, as a daemon does that must stop at once, or that a write found closed. grpc-js
 * gives these codes of their own, but what they mean is that the connection broke; the daemon itself gives reasons.
 */
function isBroken({ code, details }: ClientError): boolean {
  return (
    code === Status.CANCELLED ||
    (code === Status.INTERNAL && details.startsWith("Received RST_STREAM"))
  );
}

const codeNames: Readonly<Record<number, string | undefined>> = Status;

/** Numbers outside the sixteen codes of gRPC count as UNKNOWN, as gRPC demands. */
function codeName(code: number): ErrorCode {
  const name = codeNames[code];
  return name !== undefined && isErrorCode(name) ? name : "UNKNOWN";
}

function isErrorCode(name: string): name is ErrorCode {
  return name in Status && name !== "OK";
}
