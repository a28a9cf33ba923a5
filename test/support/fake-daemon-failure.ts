import { type Status } from "nice-grpc";
import type { ErrorDetails } from "../../server/grpc/error-details.js";

/** A status as the daemon gives it. Without a reason it is one that the transport made. */
export class FakeFailure extends Error {
  readonly code: Status;
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly retryAfterMs: number | undefined;

  constructor(
    code: Status,
    reason: string,
    message: string,
    metadata: Readonly<Record<string, string>> = {},
    retryAfterMs?: number,
  ) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.metadata = metadata;
    this.retryAfterMs = retryAfterMs;
  }

  wireDetails(): ErrorDetails {
    const { code, message, reason, metadata, retryAfterMs } = this;
    const badField = metadata["field"];
    return {
      code,
      message,
      reason,
      domain: "forkbus",
      metadata,
      retryAfterMs,
      badField,
      exhausted: undefined,
    };
  }
}
