import { Rope } from "../../wire/rope.js";
import type { MethodShape } from "./service-shape.js";
import { type FailureStatus, statusOfTooLarge, statusOfUndecodable } from "./status-of-error.js";

/** A request after decoding. grpc-js answers INTERNAL when decoding throws, so a failure is a value here. */
export type DecodedRequest =
  | { readonly kind: "message"; readonly message: unknown }
  | { readonly kind: "malformed"; readonly status: FailureStatus };

/** `path` as `forkbus.v1.QueueService/Put`. Bytes fields of the message share the memory of `bytes`. */
export function decodeRequest(
  path: string,
  method: MethodShape,
  bytes: Uint8Array,
  maxBytes: number,
): DecodedRequest {
  if (bytes.byteLength > maxBytes) {
    return { kind: "malformed", status: statusOfTooLarge(bytes.byteLength, maxBytes) };
  }
  try {
    return { kind: "message", message: method.requestType.decode(bytes) };
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    return { kind: "malformed", status: statusOfUndecodable(requestTypeName(path), cause) };
  }
}

/**
 * An encoded message. grpc-js asks no more of one than its length, and to be copied into a buffer
 * of its own behind five bytes of header; a test holds it to that.
 */
export type EncodedMessage = Buffer | Rope;

export function encodeResponse(method: MethodShape, message: unknown): EncodedMessage {
  // Handlers<Service> has checked that the handler's messages are what this codec takes.
  const bytes = method.responseType.encode(message as never).finish();
  if (bytes instanceof Rope) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Requests are named after their method and stand in its service's package: buf lint sees to it. */
function requestTypeName(path: string): string {
  const slash = path.lastIndexOf("/");
  const packageEnd = path.lastIndexOf(".", slash);
  return `${path.slice(0, packageEnd + 1)}${path.slice(slash + 1)}Request`;
}
