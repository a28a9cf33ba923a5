import type { Principal } from "../auth/principal.js";

/** What a service method knows of the call that it answers. */
export interface CallContext {
  /**
   * Aborts when the answer is no longer wanted: the client cancelled or vanished, the deadline
   * passed, or the server stops by force. The reason is a CallCancelled. It never aborts once the
   * call has been answered. A method that waits must pass it on, or it outlives its caller.
   */
  readonly signal: AbortSignal;
  readonly principal: Principal;
  /** As `forkbus.v1.QueueService/Get`. */
  readonly method: string;
  /**
   * Registers what takes back the effect of a unary call, such as an item taken off a queue. It
   * runs once if the call ends without its response having been written to the connection, for
   * whatever reason: cancelled, disconnected, expired, failed. It runs synchronously when that is
   * known. Written is not read: a response that was lost on the way, or in a client that died,
   * counts as delivered. Several run newest first. It does nothing for streams, where the
   * iterator's `return` tells.
   */
  undeliverable(undo: () => void): void;
  /**
   * Registers what makes the effect of a unary call final. It runs once, synchronously, when the
   * response has been written to the connection; either it runs or what `undeliverable` was given.
   */
  onDelivered(done: () => void): void;
}
