import {
  type ForwardedSignal,
  forwardedSignals,
  type InterruptAction,
  type InterruptState,
  noInterrupts,
  onSignal,
  onStarted,
} from "./interrupts.js";

/** Where signals come from: `process`, and in tests an emitter of their own. */
export interface SignalEmitter {
  on(event: ForwardedSignal, listener: (signal: ForwardedSignal) => void): unknown;
  off(event: ForwardedSignal, listener: (signal: ForwardedSignal) => void): unknown;
}

/**
 * Catches the signals that `run` passes on, from its construction until it is disposed, and tells what to do about
 * them: see interrupts.ts. Before the worker has started that is at most `leave`, for `whileStarting`.
 */
export class SignalSource implements Disposable {
  readonly #emitter: SignalEmitter;
  #state: InterruptState = noInterrupts;
  #listener: (action: InterruptAction) => void;

  constructor(emitter: SignalEmitter, whileStarting: (action: InterruptAction) => void) {
    this.#emitter = emitter;
    this.#listener = whileStarting;
    for (const signal of forwardedSignals) emitter.on(signal, this.#onSignal);
  }

  /** The worker has started: from now on, and for what was held, actions go to this listener. */
  onAction(listener: (action: InterruptAction) => void): void {
    this.#listener = listener;
    const [state, actions] = onStarted(this.#state);
    this.#state = state;
    actions.forEach(listener);
  }

  [Symbol.dispose](): void {
    for (const signal of forwardedSignals) this.#emitter.off(signal, this.#onSignal);
  }

  readonly #onSignal = (signal: ForwardedSignal): void => {
    const [state, actions] = onSignal(this.#state, signal);
    this.#state = state;
    for (const action of actions) this.#listener(action);
  };
}
