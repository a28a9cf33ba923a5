/** What a worker can know of itself, and do as one: `globalThis[Symbol.for("forkbus.worker")]`, for client libraries. */
export interface WorkerHandle {
  /** 32 hex digits, as in FORKBUS_PROCESS_ID. */
  readonly id: string;
  readonly name: string;
  /** As the caller gave them; the target gets them decoded. */
  readonly arguments: { readonly bytes: Buffer; readonly encoding: string };
  /**
   * Makes this process a fork server, until it is released: processes are forked from it with all its state, and run
   * their own target. Settles when it is released, or when nobody can ask for forks any more. Meanwhile nothing else
   * happens in this process: the event loop stands still, and signals such as SIGTERM end it whatever handlers it has.
   * Rejects when something is open in the event loop, or when there are threads other than Node's own.
   *
   * In a child it never settles: what waits for it waits for ever, and what was to come afterwards does not come.
   */
  serveForks(): Promise<void>;
}

const PLACE = Symbol.for("forkbus.worker");

/** To be looked up whenever it is needed: a process that is forked from this one has another. */
export function announce(handle: WorkerHandle): void {
  Object.defineProperty(globalThis, PLACE, {
    value: handle,
    configurable: true,
    enumerable: false,
    writable: false,
  });
}
