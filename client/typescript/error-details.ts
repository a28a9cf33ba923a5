import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** What the daemon adds to a status: `google.rpc.ErrorInfo` and `google.rpc.RetryInfo`. */
export interface ErrorDetails {
  /** Name of an ErrorReason without its prefix; empty when the daemon, or something between, gave none. */
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** When it may be worth trying again. */
  readonly retryAfterMs: number | undefined;
}

export const noDetails: ErrorDetails = { reason: "", metadata: {}, retryAfterMs: undefined };

/**
 * Reads the trailer `grpc-status-details-bin`, an encoded `google.rpc.Status`. Details of other types and fields that
 * are not known are passed over; bytes that are no such message give no details, for the status itself still stands.
 */
export function decodeErrorDetails(bytes: Uint8Array): ErrorDetails {
  try {
    let details = noDetails;
    for (const [number, reader] of fields(bytes)) {
      if (number === 3) details = { ...details, ...decodeAny(reader.bytes()) };
    }
    return details;
  } catch {
    // Whatever the reader throws, it means the same: these bytes are not what they should be.
    return noDetails;
  }
}

function decodeAny(bytes: Uint8Array): Partial<ErrorDetails> {
  let typeUrl = "";
  let value: Uint8Array = new Uint8Array();
  for (const [number, reader] of fields(bytes)) {
    if (number === 1) typeUrl = reader.string();
    else if (number === 2) value = reader.bytes();
  }
  switch (typeUrl.slice(typeUrl.lastIndexOf("/") + 1)) {
    case "google.rpc.ErrorInfo":
      return decodeErrorInfo(value);
    case "google.rpc.RetryInfo":
      return decodeRetryInfo(value);
    default:
      return {};
  }
}

function decodeErrorInfo(bytes: Uint8Array): Partial<ErrorDetails> {
  let reason = "";
  const metadata: Record<string, string> = {};
  for (const [number, reader] of fields(bytes)) {
    if (number === 1) reason = reader.string();
    else if (number === 3) {
      const [key, value] = decodeEntry(reader.bytes());
      metadata[key] = value;
    }
  }
  return { reason, metadata };
}

function decodeEntry(bytes: Uint8Array): readonly [string, string] {
  let key = "";
  let value = "";
  for (const [number, reader] of fields(bytes)) {
    if (number === 1) key = reader.string();
    else if (number === 2) value = reader.string();
  }
  return [key, value];
}

function decodeRetryInfo(bytes: Uint8Array): Partial<ErrorDetails> {
  let retryAfterMs = 0;
  for (const [number, reader] of fields(bytes)) {
    if (number !== 1) continue;
    for (const [part, duration] of fields(reader.bytes())) {
      if (part === 1) retryAfterMs += Number(duration.int64()) * 1000;
      else if (part === 2) retryAfterMs += duration.int32() / 1e6;
    }
  }
  return { retryAfterMs };
}

/** Each field with the reader at its value. What the consumer does not read is skipped. */
function* fields(bytes: Uint8Array): Generator<readonly [number, BinaryReader]> {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (wireType === WireType.EndGroup) throw new Error("A group ends that never began");
    const start = reader.pos;
    yield [number, reader];
    if (reader.pos === start) reader.skip(wireType);
  }
}
