import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import {
  type ForwardedSignal,
  forwardedSignals,
  type InterruptAction,
  noInterrupts,
  onSignal,
  onStarted,
} from "../../../cli/interrupts.js";
import { SignalSource } from "../../../cli/signal-source.js";

/** What happens when these signals come to a worker that runs. */
function afterStart(...signals: readonly ForwardedSignal[]): readonly InterruptAction[] {
  let [state] = onStarted(noInterrupts);
  return signals.flatMap((signal) => {
    const [next, actions] = onSignal(state, signal);
    state = next;
    return actions;
  });
}

describe("signals to an attached run", () => {
  it("escalate with each ^C: pass on, stop, kill, leave", () => {
    assert.deepEqual(afterStart("SIGINT", "SIGINT", "SIGINT", "SIGINT"), [
      { kind: "send", signal: "SIGINT", scope: "tree" },
      { kind: "stop" },
      { kind: "kill-tree" },
      { kind: "leave", signal: "SIGINT" },
    ]);
  });

  it("are passed on each time when they are others", () => {
    assert.deepEqual(afterStart("SIGTERM", "SIGTERM", "SIGUSR1", "SIGINT", "SIGHUP"), [
      { kind: "send", signal: "SIGTERM", scope: "worker" },
      { kind: "send", signal: "SIGTERM", scope: "worker" },
      { kind: "send", signal: "SIGUSR1", scope: "worker" },
      { kind: "send", signal: "SIGINT", scope: "tree" },
      { kind: "send", signal: "SIGHUP", scope: "tree" },
    ]);
  });

  it("are held until there is a worker, and the second one leaves", () => {
    const [held, none] = onSignal(noInterrupts, "SIGINT");
    assert.deepEqual(none, []);
    assert.deepEqual(onSignal(held, "SIGTERM")[1], [{ kind: "leave", signal: "SIGTERM" }]);
    const [started, sent] = onStarted(held);
    assert.deepEqual(sent, [{ kind: "send", signal: "SIGINT", scope: "tree" }]);
    assert.deepEqual(onSignal(started, "SIGINT")[1], [{ kind: "stop" }]);
  });

  it("reach nobody before the worker does, and nobody after the end", () => {
    const emitter = new EventEmitter<Record<ForwardedSignal, [ForwardedSignal]>>();
    const early: InterruptAction[] = [];
    const late: InterruptAction[] = [];
    {
      using source = new SignalSource(emitter, (action) => early.push(action));
      emitter.emit("SIGTERM", "SIGTERM");
      assert.equal(late.length, 0);
      source.onAction((action) => late.push(action));
      assert.deepEqual(late, [{ kind: "send", signal: "SIGTERM", scope: "worker" }]);
    }
    for (const signal of forwardedSignals) assert.equal(emitter.listenerCount(signal), 0);
    assert.deepEqual(early, []);
  });
});
