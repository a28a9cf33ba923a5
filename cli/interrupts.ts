/** Signals that an attached `run` passes on. */
export type ForwardedSignal = "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGQUIT" | "SIGUSR1" | "SIGUSR2";

export const forwardedSignals: readonly ForwardedSignal[] = [
  "SIGINT",
  "SIGTERM",
  "SIGHUP",
  "SIGQUIT",
  "SIGUSR1",
  "SIGUSR2",
];

/** What an attached `run` has been through. */
export interface InterruptState {
  /** Whether there is a worker yet. */
  readonly worker: "starting" | "started";
  readonly interrupts: number;
  /** Signals that came before there was a worker, oldest first. */
  readonly held: readonly ForwardedSignal[];
}

/** What to do about a signal. */
export type InterruptAction =
  | { readonly kind: "send"; readonly signal: ForwardedSignal; readonly scope: "worker" | "tree" }
  | { readonly kind: "stop" }
  | { readonly kind: "kill-tree" }
  /** End this program and leave the worker, if there is one, alone. */
  | { readonly kind: "leave"; readonly signal: ForwardedSignal };

export const noInterrupts: InterruptState = { worker: "starting", interrupts: 0, held: [] };

/** What a terminal would give to everybody in the foreground goes to the worker's whole tree. */
const wholeTree: readonly ForwardedSignal[] = ["SIGINT", "SIGQUIT", "SIGHUP"];

/**
 * A signal has come. The first SIGINT is passed on, the second stops the worker by its stop policy, the third kills its
 * tree, and the fourth leaves, for a daemon that does not answer. Other signals are passed on each time. Before there
 * is a worker the first signal is held, to be passed on as soon as there is one, and the second leaves.
 */
export function onSignal(
  state: InterruptState,
  signal: ForwardedSignal,
): readonly [InterruptState, readonly InterruptAction[]] {
  if (state.worker === "starting") {
    if (state.held.length > 0) return [state, [{ kind: "leave", signal }]];
    return [{ ...state, held: [signal] }, []];
  }
  if (signal !== "SIGINT") return [state, [send(signal)]];
  const interrupts = state.interrupts + 1;
  const next = { ...state, interrupts };
  if (interrupts === 1) return [next, [send(signal)]];
  if (interrupts === 2) return [next, [{ kind: "stop" }]];
  if (interrupts === 3) return [next, [{ kind: "kill-tree" }]];
  return [next, [{ kind: "leave", signal }]];
}

/** The worker runs: what was held is passed on. */
export function onStarted(
  state: InterruptState,
): readonly [InterruptState, readonly InterruptAction[]] {
  const interrupts = state.held.filter((signal) => signal === "SIGINT").length;
  return [{ worker: "started", interrupts, held: [] }, state.held.map(send)];
}

function send(signal: ForwardedSignal): InterruptAction {
  return { kind: "send", signal, scope: wholeTree.includes(signal) ? "tree" : "worker" };
}
