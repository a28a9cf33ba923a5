import { BinaryWriter } from "@bufbuild/protobuf/wire";

/**
 * The messages of google/rpc/status.proto and google/rpc/error_details.proto that a failed call
 * carries. Their fields are few and fixed, so they are written here and need no generated code.
 */
export interface ErrorDetails {
  readonly code: number;
  readonly message: string;
  readonly reason: string;
  readonly domain: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Adds RetryInfo. */
  readonly retryAfterMs: number | undefined;
  /** Adds BadRequest with this one field. */
  readonly badField: string | undefined;
  /** Adds QuotaFailure with this one subject. */
  readonly exhausted: string | undefined;
}

const typePrefix = "type.googleapis.com/google.rpc.";

/** An encoded google.rpc.Status, for the trailer `grpc-status-details-bin`. */
export function encodeErrorDetails(details: ErrorDetails): Uint8Array {
  const writer = new BinaryWriter().uint32(tag(1, varint)).int32(details.code);
  writer.uint32(tag(2, delimited)).string(details.message);
  writeAny(writer, "ErrorInfo", errorInfo(details));
  if (details.badField !== undefined) {
    writeAny(writer, "BadRequest", violation(details.badField, details.message));
  }
  if (details.exhausted !== undefined) {
    writeAny(writer, "QuotaFailure", violation(details.exhausted, details.message));
  }
  if (details.retryAfterMs !== undefined) {
    writeAny(writer, "RetryInfo", retryInfo(details.retryAfterMs));
  }
  return writer.finish();
}

const varint = 0;
const delimited = 2;

function tag(field: number, wireType: number): number {
  return (field << 3) | wireType;
}

function writeAny(writer: BinaryWriter, type: string, value: Uint8Array): void {
  writer.uint32(tag(3, delimited)).fork();
  writer.uint32(tag(1, delimited)).string(typePrefix + type);
  writer.uint32(tag(2, delimited)).bytes(value);
  writer.join();
}

function errorInfo(details: ErrorDetails): Uint8Array {
  const writer = new BinaryWriter();
  writer.uint32(tag(1, delimited)).string(details.reason);
  writer.uint32(tag(2, delimited)).string(details.domain);
  for (const [key, value] of Object.entries(details.metadata)) {
    writer.uint32(tag(3, delimited)).fork();
    writer.uint32(tag(1, delimited)).string(key);
    writer.uint32(tag(2, delimited)).string(value);
    writer.join();
  }
  return writer.finish();
}

/** One violation: BadRequest names a field where QuotaFailure names a subject; the numbers agree. */
function violation(name: string, description: string): Uint8Array {
  const writer = new BinaryWriter().uint32(tag(1, delimited)).fork();
  writer.uint32(tag(1, delimited)).string(name);
  writer.uint32(tag(2, delimited)).string(description);
  return writer.join().finish();
}

function retryInfo(delayMs: number): Uint8Array {
  const whole = Math.max(0, Math.ceil(delayMs));
  const writer = new BinaryWriter().uint32(tag(1, delimited)).fork();
  writer.uint32(tag(1, varint)).int64(Math.floor(whole / 1000));
  writer.uint32(tag(2, varint)).int32((whole % 1000) * 1_000_000);
  return writer.join().finish();
}
