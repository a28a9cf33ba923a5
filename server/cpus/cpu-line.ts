import { type DomainError } from "../core/errors.js";
import { type Assignment, type CpuLedger, refusalError } from "./cpu-ledger.js";
import { type ExclusiveRequest } from "./cpu-request.js";

interface Waiter<Holder extends string> {
  readonly holder: Holder;
  readonly request: ExclusiveRequest;
  readonly granted: (assignment: Assignment<Holder>) => void;
}

/**
 * Requests for exclusive CPUs that wait until they fit: first come, first served. Nobody overtakes,
 * also not one that would fit: otherwise small requests would keep a large one waiting for ever.
 */
export class CpuLine<Holder extends string = string> {
  readonly #ledger: CpuLedger<Holder>;
  readonly #waiters = new Set<Waiter<Holder>>();

  constructor(ledger: CpuLedger<Holder>) {
    this.#ledger = ledger;
  }

  /** Who waits, in order. */
  get waiting(): readonly { readonly holder: Holder; readonly request: ExclusiveRequest }[] {
    return [...this.#waiters];
  }

  /** Why a request would not be served at once; undefined: it would. */
  obstacle(request: ExclusiveRequest): DomainError | undefined {
    const found = this.#ledger.plan(request);
    if (found.kind === "refused") return refusalError(found.refusal);
    const before = this.#waiters.size;
    if (before === 0) return undefined;
    return refusalError({
      code: "cpus-exhausted",
      message: `${before} ${before === 1 ? "create waits" : "creates wait"} for exclusive CPUs before this one`,
      facts: { missing: String(request.count) },
      blockers: [],
      isTemporary: true,
    });
  }

  /**
   * Takes a place in the line, until disposed. `granted` is called once, from `serve`, with what has
   * been assigned to `holder`; it must not throw.
   */
  enter(
    holder: Holder,
    request: ExclusiveRequest,
    granted: (assignment: Assignment<Holder>) => void,
  ): Disposable {
    const waiter = { holder, request, granted };
    this.#waiters.add(waiter);
    return {
      [Symbol.dispose]: () => {
        // Who was behind one that leaves may fit.
        if (this.#waiters.delete(waiter)) this.serve();
      },
    };
  }

  /** Serves from the head for as long as it fits. */
  serve(): void {
    for (const waiter of this.#waiters) {
      const { holder, request, granted } = waiter;
      if (this.#ledger.plan(request).kind === "refused") return;
      this.#waiters.delete(waiter);
      granted(this.#ledger.assign(holder, request));
    }
  }
}
