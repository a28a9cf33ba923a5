import { Metadata, status } from "@grpc/grpc-js";
import type { DomainError, DomainErrorCode } from "../core/errors.js";
import { encodeErrorDetails } from "./error-details.js";

/** The only place where a gRPC status is chosen. A code that is missing here does not compile. */
export const statusOfCode: Record<DomainErrorCode, status> = {
  "invalid-field": status.INVALID_ARGUMENT,
  "request-id-reused": status.INVALID_ARGUMENT,
  "page-token-invalid": status.INVALID_ARGUMENT,
  "host-exhausted": status.RESOURCE_EXHAUSTED,
  "disk-full": status.RESOURCE_EXHAUSTED,
  "uid-mismatch": status.ABORTED,
  draining: status.UNAVAILABLE,
  "process-not-found": status.NOT_FOUND,
  "record-expired": status.NOT_FOUND,
  "process-exists": status.ALREADY_EXISTS,
  "executable-not-found": status.INVALID_ARGUMENT,
  "executable-not-runnable": status.INVALID_ARGUMENT,
  "working-dir-invalid": status.INVALID_ARGUMENT,
  "signal-unknown": status.INVALID_ARGUMENT,
  "cpu-unknown": status.INVALID_ARGUMENT,
  "cpus-exhausted": status.RESOURCE_EXHAUSTED,
  "shared-set-would-be-empty": status.RESOURCE_EXHAUSTED,
  "run-as-denied": status.PERMISSION_DENIED,
  "process-running": status.FAILED_PRECONDITION,
  "process-ended": status.FAILED_PRECONDITION,
  "stdin-not-open": status.FAILED_PRECONDITION,
  "offset-gap": status.OUT_OF_RANGE,
  "offset-future": status.OUT_OF_RANGE,
  "keeper-unreachable": status.UNAVAILABLE,
  "start-timed-out": status.DEADLINE_EXCEEDED,
  "start-interrupted": status.ABORTED,
  "payload-too-large": status.INVALID_ARGUMENT,
  "kernel-feature-missing": status.FAILED_PRECONDITION,
  "not-fork-safe": status.FAILED_PRECONDITION,
  "forks-not-served": status.FAILED_PRECONDITION,
  "template-not-found": status.NOT_FOUND,
  "template-exists": status.ALREADY_EXISTS,
  "template-in-use": status.FAILED_PRECONDITION,
  "preload-failed": status.FAILED_PRECONDITION,
  "queue-not-found": status.NOT_FOUND,
  "queue-deleted": status.NOT_FOUND,
  "queue-exists": status.ALREADY_EXISTS,
  "queue-full": status.RESOURCE_EXHAUSTED,
  "queue-shut-down": status.FAILED_PRECONDITION,
  "queue-not-empty": status.FAILED_PRECONDITION,
  "frame-too-large": status.INVALID_ARGUMENT,
  "frame-count-mismatch": status.INVALID_ARGUMENT,
  "item-too-large": status.INVALID_ARGUMENT,
  "item-needs-stream": status.FAILED_PRECONDITION,
  "part-out-of-order": status.INVALID_ARGUMENT,
  "window-exceeded": status.INVALID_ARGUMENT,
  "producer-fenced": status.ABORTED,
  "resume-expired": status.FAILED_PRECONDITION,
  "subscription-not-found": status.NOT_FOUND,
  "wait-cancelled": status.ABORTED,
};

/** The domain of every ErrorInfo. */
export const errorDomain = "forkbus";

/** How a call ends that did not succeed, in the form that grpc-js takes. */
export interface FailureStatus {
  readonly code: status;
  readonly details: string;
  readonly metadata: Metadata;
}

/** Every code that there is: the table has each of them. */
export function domainErrorCodes(): DomainErrorCode[] {
  // Object.keys forgets what the Record's type has made sure of.
  return Object.keys(statusOfCode) as DomainErrorCode[];
}

/** What clients read in ErrorInfo.reason: the code in upper snake case. */
export function reasonOfCode(code: DomainErrorCode): string {
  return code.toUpperCase().replaceAll("-", "_");
}

export function statusOfDomainError(error: DomainError): FailureStatus {
  const code = statusOfCode[error.code];
  const reason = reasonOfCode(error.code);
  return failureStatus({
    code,
    reason,
    message: error.message,
    facts: error.facts,
    retryAfterMs: error.retryAfterMs,
    badField: error.code === "invalid-field" ? error.facts["field"] : undefined,
    exhausted: code === status.RESOURCE_EXHAUSTED ? reason : undefined,
  });
}

/** For whatever else was thrown. The client learns nothing but the reference, which the log has too. */
export function statusOfUnknownError(reference: string): FailureStatus {
  return failureStatus({
    code: status.INTERNAL,
    reason: "INTERNAL",
    message: `The daemon failed; its log has the cause under reference ${reference}`,
    facts: { reference },
  });
}

/** For a request whose bytes are no message of its type. */
export function statusOfUndecodable(messageType: string, cause: string): FailureStatus {
  return failureStatus({
    code: status.INVALID_ARGUMENT,
    reason: "INVALID_FIELD",
    message: `The request is no valid ${messageType}: ${cause}`,
    facts: { field: "", value: "", message_type: messageType },
  });
}

/** For a request that is larger than this server takes, though not so large that grpc-js refused it unread. */
export function statusOfTooLarge(bytes: number, maxBytes: number): FailureStatus {
  return failureStatus({
    code: status.RESOURCE_EXHAUSTED,
    reason: "REQUEST_TOO_LARGE",
    message: `A request has at most ${maxBytes} bytes, and this one has ${bytes}`,
    facts: { bytes: String(bytes), max_bytes: String(maxBytes) },
  });
}

interface Failure {
  readonly code: status;
  readonly reason: string;
  readonly message: string;
  readonly facts: Readonly<Record<string, string>>;
  readonly retryAfterMs?: number | undefined;
  readonly badField?: string | undefined;
  readonly exhausted?: string | undefined;
}

function failureStatus(failure: Failure): FailureStatus {
  const message = bounded(failure.message, maxMessageBytes);
  const facts = Object.entries(failure.facts).slice(0, maxFacts);
  const details = encodeErrorDetails({
    code: failure.code,
    message,
    reason: failure.reason,
    domain: errorDomain,
    metadata: Object.fromEntries(facts.map(([key, value]) => [key, bounded(value, maxFactBytes)])),
    retryAfterMs: failure.retryAfterMs,
    badField: failure.badField === undefined ? undefined : bounded(failure.badField, maxFactBytes),
    exhausted: failure.exhausted,
  });
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(details));
  return { code: failure.code, details: message, metadata };
}

// A status travels in HTTP/2 headers, of which some clients take 8 KiB and drop the whole status
// when there is more. What a caller sent may be in the message, so it is cut to a size that fits.
const maxMessageBytes = 512;
const maxFactBytes = 256;
const maxFacts = 8;

/** Of a status that somebody else has made. */
export function boundedMessage(message: string): string {
  return bounded(message, maxMessageBytes);
}

function bounded(text: string, maxBytes: number): string {
  // grpc-js percent-encodes the message, which throws at half of a surrogate pair.
  let whole = text.slice(0, maxBytes + 1).replace(/\p{Surrogate}/gu, "\ufffd");
  if (Buffer.byteLength(whole) <= maxBytes) return whole;
  while (Buffer.byteLength(whole) > maxBytes - ellipsisBytes) {
    whole = whole.slice(0, -1).replace(/\p{Surrogate}$/u, "");
  }
  return `${whole}…`;
}

const ellipsisBytes = Buffer.byteLength("…");
