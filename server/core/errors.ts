/**
 * Every way in which a call can fail, as a closed set. The gRPC status and the reason that a
 * client sees are chosen in one table, `server/grpc/status-of-error.ts`.
 */
export type DomainErrorCode =
  | "invalid-field"
  | "request-id-reused"
  | "page-token-invalid"
  | "host-exhausted"
  | "disk-full"
  | "payload-too-large"
  | "kernel-feature-missing"
  | "uid-mismatch"
  | "draining"
  | "process-not-found"
  | "record-expired"
  | "process-exists"
  | "executable-not-found"
  | "executable-not-runnable"
  | "working-dir-invalid"
  | "signal-unknown"
  | "cpu-unknown"
  | "cpus-exhausted"
  | "shared-set-would-be-empty"
  | "run-as-denied"
  | "process-running"
  | "process-ended"
  | "stdin-not-open"
  | "offset-gap"
  | "offset-future"
  | "keeper-unreachable"
  | "start-timed-out"
  | "start-interrupted"
  | "not-fork-safe"
  | "forks-not-served"
  | "template-not-found"
  | "template-exists"
  | "template-in-use"
  | "preload-failed"
  | "queue-not-found"
  | "queue-deleted"
  | "queue-exists"
  | "queue-full"
  | "queue-shut-down"
  | "queue-not-empty"
  | "frame-too-large"
  | "frame-count-mismatch"
  | "item-too-large"
  | "item-needs-stream"
  | "part-out-of-order"
  | "window-exceeded"
  | "producer-fenced"
  | "resume-expired"
  | "wait-cancelled"
  | "subscription-not-found";

/** Facts about a failure for programs: what ErrorInfo.metadata carries. */
export type ErrorFacts = Readonly<Record<string, string>>;

/**
 * A call that cannot do what was asked. The message names the thing and the value, for people;
 * programs go by `code` and `facts`.
 */
export class DomainError extends Error {
  readonly code: DomainErrorCode;
  readonly facts: ErrorFacts;
  /** Set when the same call may succeed later: how long to wait before trying again. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: DomainErrorCode,
    message: string,
    options: { facts?: ErrorFacts; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = "DomainError";
    this.code = code;
    this.facts = options.facts ?? {};
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** A field that is missing, malformed or out of range. */
export function invalidField(field: string, value: string, message: string): DomainError {
  return new DomainError("invalid-field", message, { facts: { field, value } });
}
