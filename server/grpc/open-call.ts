import type { Deadline, Metadata } from "@grpc/grpc-js";
import { randomBytes } from "node:crypto";
import type { Principal } from "../auth/principal.js";
import { DomainError } from "../core/errors.js";
import type { Logger } from "../observability/logger.js";
import { CallLifetime } from "./call-lifetime.js";
import type { EndedCalls } from "./ended-calls.js";
import type { DecodedRequest } from "./message-codec.js";
import {
  type FailureStatus,
  statusOfDomainError,
  statusOfUnknownError,
} from "./status-of-error.js";

/** What the adapter needs from the server that it serves on. */
export interface AdapterHost {
  /** Who is at the other end of the connection that grpc-js calls `peer`; undefined when it has gone. */
  principalOf(peer: string): Principal | undefined;
  readonly log: Logger;
  readonly limits: { readonly requestMessageBytes: number };
  readonly endedCalls: Pick<EndedCalls, "has">;
}

/** What grpc-js's calls of all kinds have in common. */
interface SurfaceCall {
  readonly metadata: Metadata;
  getPeer(): string;
  getDeadline(): Deadline;
  once(event: "cancelled", listener: () => void): unknown;
}

/** Undefined if the call has ended before its request was complete: there is nobody to answer. */
export function openCall(path: string, call: SurfaceCall, host: AdapterHost): OpenCall | undefined {
  const principal = host.principalOf(call.getPeer());
  if (principal === undefined || host.endedCalls.has(call.metadata)) return undefined;
  const lifetime = new CallLifetime(principal, path);
  const opened = new OpenCall(lifetime, call, host.log);
  call.once("cancelled", () => {
    lifetime.cancel(opened.hasExpired() ? "deadline" : "cancelled");
  });
  return opened;
}

/** A failed decoding, on its way through the same `catch` as the handler's errors. */
class MalformedRequest extends Error {
  readonly status: FailureStatus;

  constructor(status: FailureStatus) {
    super(status.details);
    this.status = status;
  }
}

/** A call that is being answered: its lifetime, and what its handler's errors become. */
export class OpenCall {
  readonly lifetime: CallLifetime;
  readonly #call: SurfaceCall;
  readonly #log: Logger;

  constructor(lifetime: CallLifetime, call: SurfaceCall, log: Logger) {
    this.lifetime = lifetime;
    this.#call = call;
    this.#log = log;
  }

  /** The decoded message, or throws what `statusOf` knows. */
  request(decoded: DecodedRequest): unknown {
    if (decoded.kind === "malformed") throw new MalformedRequest(decoded.status);
    return decoded.message;
  }

  /** Whether the answer can no longer arrive: cancelled, or the client's own deadline has passed. */
  isOver(): boolean {
    return this.lifetime.cancelled || this.hasExpired();
  }

  hasExpired(): boolean {
    return deadlineOf(this.#call) <= Date.now() + TIMER_SLACK_MS;
  }

  /**
   * Aborts the signal at the deadline. grpc-js does so by itself unless the reader has stopped
   * reading: then its status waits behind the messages, and the handler would wait with it.
   */
  watchDeadline(): Disposable {
    const remainingMs = deadlineOf(this.#call) - Date.now();
    if (remainingMs > maxTimerMs) return { [Symbol.dispose]: () => undefined };
    const timer = setTimeout(() => {
      this.lifetime.cancel("deadline");
    }, remainingMs);
    return {
      [Symbol.dispose]: () => {
        clearTimeout(timer);
      },
    };
  }

  /** The status to end the call with; undefined when nobody waits for one. */
  statusOf(error: unknown): FailureStatus | undefined {
    if (error instanceof MalformedRequest) return error.status;
    const { cancelled } = this.lifetime;
    if (error instanceof DomainError) return cancelled ? undefined : statusOfDomainError(error);
    if (cancelled && error instanceof Error && error.name === "AbortError") return undefined;
    return statusOfUnknownError(this.reportFault(error));
  }

  /** Logs a fault of the daemon and returns the reference that it can be found by. */
  reportFault(error: unknown): string {
    const reference = randomBytes(6).toString("hex");
    const { method } = this.lifetime;
    this.#log.error("call failed", { reference, method, error });
    return reference;
  }

  /** For callbacks whose errors would otherwise reach the process. */
  guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.reportFault(error);
    }
  }
}

/** A timer may fire before the wall clock shows its time. */
const TIMER_SLACK_MS = 2;

const maxTimerMs = 2 ** 31 - 1;

function deadlineOf(call: SurfaceCall): number {
  const deadline = call.getDeadline();
  return typeof deadline === "number" ? deadline : deadline.getTime();
}
