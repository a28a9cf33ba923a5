import { type Timestamp } from "../../../proto/gen/google/protobuf/timestamp.js";

/** From milliseconds since 1970, perhaps with a fraction. */
export function fromWallTime(wallMs: number): Timestamp {
  const seconds = Math.floor(wallMs / 1000);
  return {
    seconds: BigInt(seconds),
    nanos: Math.min(999_999_999, Math.round((wallMs - seconds * 1000) * 1e6)),
  };
}
