import assert from "node:assert/strict";
import { type CallOptions, ClientError, type Metadata, Status } from "nice-grpc";
import { decodeErrorDetails } from "../../../client/typescript/error-details.js";

/** How a call was refused, as a client sees it. */
export interface Refusal {
  /** Name of the gRPC status. */
  readonly code: string;
  /** ErrorInfo.reason. */
  readonly reason: string;
  readonly message: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly retryAfterMs: number | undefined;
}

/** The refusal of a call. Fails when the call succeeds, or fails without a gRPC status. */
export async function refusalOf(
  call: (options: CallOptions) => Promise<unknown>,
): Promise<Refusal> {
  let trailer: Metadata | undefined;
  const options: CallOptions = {
    onTrailer: (metadata) => {
      trailer = metadata;
    },
  };
  try {
    await call(options);
  } catch (error) {
    assert.ok(error instanceof ClientError, String(error));
    const bytes = trailer?.get("grpc-status-details-bin");
    assert.ok(bytes instanceof Uint8Array, `no details: ${error.message}`);
    const { reason, metadata, retryAfterMs } = decodeErrorDetails(bytes);
    return { code: Status[error.code], reason, message: error.details, metadata, retryAfterMs };
  }
  assert.fail("the call succeeded");
}

/** For streams: reads until the stream ends. Resolves to the number of messages. */
export async function drained(stream: AsyncIterable<unknown>): Promise<number> {
  let messages = 0;
  for await (const message of stream) if (message !== undefined) messages++;
  return messages;
}

/** What a test says about a refusal: its status, its reason, and what its sentence names. */
export interface Expected {
  readonly status: `${string}/${string}`;
  readonly names: readonly (string | RegExp)[];
}

export function checkRefusal(refusal: Refusal, { status, names }: Expected): void {
  assert.equal(`${refusal.code}/${refusal.reason}`, status, refusal.message);
  for (const name of names) {
    const found =
      typeof name === "string" ? refusal.message.includes(name) : name.test(refusal.message);
    assert.ok(found, `${JSON.stringify(refusal.message)} does not name ${String(name)}`);
  }
  assert.match(refusal.message, /^\S.*[^.\s]$/s, "a sentence without a full stop");
}
