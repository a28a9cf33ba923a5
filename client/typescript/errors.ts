import type { ServiceError } from "@grpc/grpc-js";
import { ClientError, type Metadata, Status } from "nice-grpc-common";
import { ErrorReason } from "../../proto/gen/forkbus/v1/error.js";
import type { Failure } from "../../proto/gen/forkbus/v1/types.js";
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

/**
 * The daemon did not answer in time, and whether the call took effect is not known. A wait that ends in its own time
 * does not throw this, it answers.
 */
export class TimedOutError extends ForkbusError {}

/** Output that was asked for is gone. `Process.logs` reports the same as an event, and goes on. */
export class OutputGapError extends ForkbusError {
  constructor(message: string) {
    super(message, { code: "DATA_LOSS" });
  }
}

/** The process has ended already. */
export class ProcessEndedError extends ForkbusError {}

/**
 * The zygote of a template cannot be made. `metadata` has `template`, `module` and `exception`; `Template.failure` has all
 * that is known. The stack of one that `Template.ready` threw ends with the traceback of the zygote.
 */
export class TemplateFailedError extends ForkbusError {}

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
  PRELOAD_FAILED: TemplateFailedError,
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
  return fromStatus(error, trailer?.get("grpc-status-details-bin"));
}

/** The typed error of a stream that was opened on grpc-js itself. */
export function fromServiceError(error: ServiceError): ForkbusError {
  return fromStatus(error, error.metadata.get("grpc-status-details-bin")[0]);
}

/** The typed error of something that went wrong inside a stream that goes on. */
export function fromFailure({ code, reason, message, metadata }: Failure): ForkbusError {
  const name = reasonNames.get(reason) ?? "";
  const details = { reason: name, metadata, retryAfterMs: undefined };
  return typedError(codeName(code), message, details, undefined);
}

function fromStatus(error: StatusError, detailBytes: unknown): ForkbusError {
  const details = detailBytes instanceof Uint8Array ? decodeErrorDetails(detailBytes) : noDetails;
  const code = details.reason === "" && isBroken(error) ? "UNAVAILABLE" : codeName(error.code);
  return typedError(code, plainText(error.details) || code, details, error);
}

function typedError(
  code: ErrorCode,
  message: string,
  details: ErrorDetails,
  cause: unknown,
): ForkbusError {
  const Class = byReason[details.reason] ?? byCode[code] ?? ForkbusError;
  return new Class(message, { code, details, cause });
}

/** What nice-grpc and grpc-js throw alike. */
interface StatusError {
  readonly code: number;
  readonly details: string;
}

const reasonNames: ReadonlyMap<number, string> = new Map(
  Object.entries(ErrorReason).map(([name, number]) => [number, name]),
);

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
function isBroken({ code, details }: StatusError): boolean {
  return (
    code === codes.CANCELLED ||
    (code === codes.INTERNAL && details.startsWith("Received RST_STREAM"))
  );
}

/** Both libraries number the codes as gRPC does. */
const codes: Readonly<Record<ErrorCode, number>> = Status;

const codeNames: Readonly<Record<number, string | undefined>> = Status;

/** Numbers outside the sixteen codes of gRPC count as UNKNOWN, as gRPC demands. */
function codeName(code: number): ErrorCode {
  const name = codeNames[code];
  return name !== undefined && isErrorCode(name) ? name : "UNKNOWN";
}

function isErrorCode(name: string): name is ErrorCode {
  return name in Status && name !== "OK";
}
