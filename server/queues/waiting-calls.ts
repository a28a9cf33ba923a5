import { linkSignals } from "../core/link-signals.js";
import { requestIdReused, waitCancelled } from "./queue-errors.js";

/** The calls under way that have a request id, so that another call can end their waits. */
export class WaitingCalls {
  readonly #calls = new Map<string, AbortController>();

  get size(): number {
    return this.#calls.size;
  }

  /**
   * Runs a call that `cancel` can reach for as long as it runs. Its signal aborts with the reason
   * of `signal`, or with a DomainError wait-cancelled.
   *
   * @throws DomainError request-id-reused while another call of the caller has this id
   */
  async run<T>(
    caller: string,
    requestId: string,
    signal: AbortSignal | undefined,
    call: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const key = callKey(caller, requestId);
    if (this.#calls.has(key)) throw requestIdReused(requestId);
    const controller = new AbortController();
    this.#calls.set(key, controller);
    using linked = linkSignals(signal, controller.signal);
    try {
      return await call(linked.signal);
    } finally {
      this.#calls.delete(key);
    }
  }

  /** Whether there was such a call. */
  cancel(caller: string, requestId: string): boolean {
    const controller = this.#calls.get(callKey(caller, requestId));
    controller?.abort(waitCancelled());
    return controller !== undefined;
  }
}

/** Request ids have no spaces, so no two callers share a key. */
export function callKey(caller: string, requestId: string): string {
  return `${requestId} ${caller}`;
}
