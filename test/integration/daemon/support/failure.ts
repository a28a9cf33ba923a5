import assert from "node:assert/strict";
import { type CallOptions, type Metadata } from "nice-grpc-common";
import { ForkbusError, fromClientError } from "../../../../client/typescript/errors.js";

/** How a call failed, such as `NOT_FOUND/PROCESS_NOT_FOUND`; `OK` when it did not. */
export async function failure(call: (options: CallOptions) => Promise<unknown>): Promise<string> {
  const error = await failed(call);
  return error === undefined ? "OK" : `${error.code}/${error.reason}`;
}

/** The failure of a call with all that the daemon said about it; undefined when it did not fail. */
export async function failed(
  call: (options: CallOptions) => Promise<unknown>,
): Promise<ForkbusError | undefined> {
  let trailer: Metadata | undefined;
  const onTrailer = (metadata: Metadata): void => {
    trailer = metadata;
  };
  try {
    await call({ onTrailer });
    return undefined;
  } catch (error) {
    const typed = fromClientError(error, trailer);
    assert.ok(typed instanceof ForkbusError, String(error));
    return typed;
  }
}
