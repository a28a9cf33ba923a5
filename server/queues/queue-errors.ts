import { DomainError } from "../core/errors.js";
import { type PutRefusal } from "./queue-effect.js";
import { type QueueSpec } from "./queue-spec.js";

export function queueNotFound(name: string): DomainError {
  return new DomainError("queue-not-found", `There is no queue ${name}`);
}

export function subscriptionNotFound(id: string): DomainError {
  return new DomainError("subscription-not-found", `There is no subscription ${id} of this caller`);
}

export function waitCancelled(): DomainError {
  return new DomainError("wait-cancelled", "The wait was given up by CancelWait");
}

export function requestIdReused(id: string): DomainError {
  return new DomainError("request-id-reused", `The request id ${id} was used for something else`);
}

export function producerFenced(): DomainError {
  return new DomainError("producer-fenced", "Another stream uses this producer_id now");
}

export function resumeExpired(knownSeq: number): DomainError {
  return new DomainError(
    "resume-expired",
    `What became of the producer's items after ${knownSeq} is not remembered any more`,
    { facts: { known_seq: String(knownSeq) } },
  );
}

export function windowExceeded(window: number, of: "sequence" | "bytes"): DomainError {
  return new DomainError(
    "window-exceeded",
    `More was sent than the window allows, which ends at ${of} ${window}`,
    { facts: { window: String(window) } },
  );
}

export function partOutOfOrder(offset: number, expected: number): DomainError {
  return new DomainError(
    "part-out-of-order",
    `A part of an item is at ${offset}, and ${expected} was expected`,
    { facts: { offset: String(offset), expected_offset: String(expected) } },
  );
}

/** Why the queue will not answer a call with items or with a receipt. */
export function closedError(
  name: string,
  reason: "shut-down" | "deleted" | "stopping",
): DomainError {
  switch (reason) {
    case "shut-down":
      return new DomainError("queue-shut-down", `The queue ${name} is shut down`);
    case "deleted":
      return new DomainError("queue-deleted", `The queue ${name} was deleted during the call`);
    case "stopping":
      return new DomainError("draining", "The daemon stops", { retryAfterMs: 1000 });
  }
}

export function refusalError(name: string, spec: QueueSpec, reason: PutRefusal): DomainError {
  switch (reason) {
    case "full":
      return new DomainError("queue-full", `The queue ${name} has no room`, {
        facts: {
          max_items: String(spec.maxItems ?? 0),
          max_bytes: String(spec.maxBytes),
        },
      });
    case "cancelled":
      return waitCancelled();
    case "shut-down":
    case "deleted":
    case "stopping":
      return closedError(name, reason);
  }
}
