import type { Principal } from "../auth/principal.js";
import type { CallContext } from "./call-context.js";

/** Why a call's signal was aborted. */
export class CallCancelled extends Error {
  readonly why: "cancelled" | "deadline";

  constructor(why: "cancelled" | "deadline") {
    super(why === "deadline" ? "The call's deadline has passed" : "The call was cancelled");
    this.name = "AbortError";
    this.why = why;
  }
}

/**
 * One call from its request to its end. It is `open` until it has been answered or cancelled,
 * whichever comes first; the other then has no effect.
 */
export class CallLifetime implements CallContext {
  readonly principal: Principal;
  readonly method: string;
  #controller: AbortController | undefined;
  #undo: (() => void)[] = [];
  #done: (() => void)[] = [];
  #cancelled: CallCancelled | undefined;
  #state: "open" | "answered" | "cancelled" = "open";

  constructor(principal: Principal, method: string) {
    this.principal = principal;
    this.method = method;
  }

  /** Made when it is asked for: most calls wait for nothing. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#cancelled !== undefined) this.#controller.abort(this.#cancelled);
    }
    return this.#controller.signal;
  }

  get cancelled(): boolean {
    return this.#state === "cancelled";
  }

  undeliverable(undo: () => void): void {
    this.#undo.push(undo);
  }

  onDelivered(done: () => void): void {
    this.#done.push(done);
  }

  /** The answer is final. From here on a cancellation concerns nobody. */
  answered(): void {
    if (this.#state === "open") this.#state = "answered";
  }

  /** The response is on its way: nothing will be taken back. Errors go to the caller, after all have run. */
  delivered(): void {
    this.#undo = [];
    runAll(this.#done, "Completing a call's effects failed");
  }

  /** The response will never be written. Errors of an undo go to the caller of this, after all have run. */
  undelivered(): void {
    this.#done = [];
    runAll(this.#undo, "Taking back a call's effects failed");
  }

  cancel(why: "cancelled" | "deadline"): void {
    if (this.#state !== "open") return;
    this.#state = "cancelled";
    this.#cancelled = new CallCancelled(why);
    this.#controller?.abort(this.#cancelled);
  }
}

/** Newest first, each once. */
function runAll(steps: (() => void)[], message: string): void {
  const errors: unknown[] = [];
  for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
    try {
      step();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, message);
}
