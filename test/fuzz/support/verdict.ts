import { type DescMethod } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { status } from "@grpc/grpc-js";
import { ErrorReason } from "../../../proto/gen/forkbus/v1/error.js";
import { decodeErrorDetails } from "../../../client/typescript/error-details.js";
import { DomainError } from "../../../server/core/errors.js";
import { domainErrorCodes, statusOfDomainError } from "../../../server/grpc/status-of-error.js";
import { type CallPlan, type Outcome } from "./raw-call.js";
import { splitFields, varintOf } from "./wire-fields.js";

/** Waits in requests are at most this long, unless a mutant asks for more. */
const SHORT_WAIT_MS = 100n;

/**
 * What a request may be answered with. A fault of the daemon's own is not among it, nor what it
 * says without its keeper: the keeper is there.
 */
const ALLOWED = new Set<status>(
  domainErrorCodes()
    .map((code) => statusOfDomainError(new DomainError(code, "")).code)
    .filter((code) => code !== status.UNAVAILABLE && code !== status.DEADLINE_EXCEEDED),
);

const REASONS = new Set(
  Object.keys(ErrorReason).filter((name) => !/^\d+$|^UN|^INTERNAL$/.test(name)),
);

/** What is wrong with the outcome of a call; undefined if nothing is. */
export function faultOf(method: DescMethod, plan: CallPlan, outcome: Outcome): string | undefined {
  const { code, details } = outcome;
  if (code === status.OK) return undefined;
  const named = `${status[code]}: ${details}`;
  if (code === status.CANCELLED) {
    const isOurs = plan.ending === "cancel" || plan.giveUp === "cancel";
    return isOurs ? undefined : `nobody cancelled the call: ${named}`;
  }
  if (code === status.DEADLINE_EXCEEDED) {
    return mayWait(method, plan) ? undefined : `no answer in time: ${named}`;
  }
  if (!ALLOWED.has(code)) return named;
  return isOurs(method) ? faultOfReason(outcome, named) : undefined;
}

export function isOurs({ parent }: DescMethod): boolean {
  return parent.typeName.startsWith("forkbus.");
}

function faultOfReason({ code, metadata, details }: Outcome, named: string): string | undefined {
  // What is far too large is refused before it has been read.
  if (code === status.RESOURCE_EXHAUSTED && details.startsWith("Received message larger")) {
    return undefined;
  }
  const [bytes] = metadata.get("grpc-status-details-bin");
  if (!Buffer.isBuffer(bytes)) return `no reason is given: ${named}`;
  const { reason } = decodeErrorDetails(bytes);
  return REASONS.has(reason) ? undefined : `the reason ${reason} is none: ${named}`;
}

/** Whether the call may go on for longer than a short wait: as it asks for, or nobody can say. */
export function mayWait(method: DescMethod, { messages, ending }: Ending): boolean {
  if (method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming") {
    return ending !== "half-close" || isOurs(method);
  }
  return messages.some((bytes) => asksToWait(method, bytes));
}

type Ending = Pick<CallPlan, "messages" | "ending">;

/** Read from the bytes: one decoder ignores a field of the wrong wire type, another takes it. */
function asksToWait({ input, methodKind }: DescMethod, bytes: Buffer): boolean {
  const waitField = input.fields.find(({ name }) => name === "wait_ms");
  const field = waitField ?? input.fields.find(({ name }) => name === "follow");
  if (field === undefined) return methodKind === "server_streaming";
  const fields = splitFields(bytes);
  if (fields === undefined) return true;
  const values = fields
    .filter(({ number, type }) => number === field.number && type === WireType.Varint)
    .map(({ value }) => varintOf(value));
  if (field !== waitField) return values.some((value) => value !== 0n);
  return values.length === 0 || values.some((value) => value > SHORT_WAIT_MS);
}
