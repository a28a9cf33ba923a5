import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type ExitOutcome,
  hasEnded,
  type ProcessEvent,
  type ProcessState,
  step,
  type StopRequest,
} from "../../../server/processes/process-state.js";
import { SIGKILL } from "../../../server/processes/signals.js";
import { exitReport } from "../../support/fake-keeper.js";
import { KEEPER, WORKER } from "./fixture.js";

const START = startOf({ kind: "starting", stop: null, keeper: KEEPER });
const BORN: ProcessEvent = { kind: "spawned", worker: WORKER };

const principal = fc.constantFrom("uid:1", "uid:2");
const outcome: fc.Arbitrary<ExitOutcome> = fc.oneof(
  fc.record({ kind: fc.constant("code" as const), code: fc.nat(255) }),
  fc.record({
    kind: fc.constant("signal" as const),
    number: fc.integer({ min: 1, max: 15 }),
    coreDumped: fc.boolean(),
  }),
);
const stopRequest = fc
  .record({ principal, signal: fc.constantFrom(2, 15), graceMs: fc.nat(5), nowMs: fc.nat(20) })
  .map(({ principal: by, signal, graceMs, nowMs }): StopRequest => {
    return {
      principal: by,
      requestId: "",
      signal,
      deadlineMs: nowMs + graceMs,
      escalated: graceMs === 0,
    };
  });
const event: fc.Arbitrary<ProcessEvent> = fc.oneof(
  fc.constant(BORN),
  fc.record({
    kind: fc.constant("adopted" as const),
    keeper: fc.constant({ ...KEEPER, instance: "keeper-2" }),
    cgroup: fc.constantFrom(null, "/sys/fs/cgroup/other"),
  }),
  fc.record({
    kind: fc.constant("signalled" as const),
    signal: fc.record({
      principal,
      requestId: fc.constant(""),
      signal: fc.integer({ min: 1, max: 15 }),
    }),
  }),
  fc.record({ kind: fc.constant("stop-requested" as const), stop: stopRequest }),
  fc.constant({ kind: "stop-deadline" } as const),
  fc.record({
    kind: fc.constant("exited" as const),
    report: outcome.map(exitReport),
    descendantsAlive: fc.boolean(),
  }),
  fc.constant({ kind: "tree-gone" } as const),
  fc.constant({
    kind: "lost",
    loss: { reason: "keeper-died", message: "", endTimeMs: 0 },
  } as const),
);

/** As wide as the type, so that what follows can be any state. */
function startOf(state: ProcessState): ProcessState {
  return state;
}

function stopOf(state: ProcessState): StopRequest | null {
  return state.kind === "starting" || state.kind === "stopping" ? state.stop : null;
}

describe("the life of a process", () => {
  it("has one end, after which nothing but its tree changes", () => {
    fc.assert(
      fc.property(fc.array(event, { size: "max", maxLength: 30 }), (events) => {
        let state = START;
        for (const each of events) {
          const [next, effects] = step(state, each);
          if (hasEnded(state)) {
            assert.deepEqual(effects, []);
            assert.equal(next.kind, state.kind);
            if (state.kind === "exited" && next.kind === "exited") {
              assert.equal(next.exit, state.exit);
              assert.ok(state.descendantsAlive || !next.descendantsAlive);
            } else if (state.kind === "lost") assert.equal(next, state);
          }
          if (next.kind === "exited" && state.kind !== "exited") {
            assert.ok(each.kind === "exited", "only an exit ends in an exit");
            assert.deepEqual(next.exit.outcome, each.report.outcome);
          }
          state = next;
        }
      }),
    );
  });

  it("never forgets a stop, and never gives it more time", () => {
    fc.assert(
      fc.property(fc.array(event, { size: "max", maxLength: 30 }), (events) => {
        let state = START;
        for (const each of events) {
          const before = stopOf(state);
          const [next] = step(state, each);
          const after = stopOf(next);
          if (before !== null && !hasEnded(next)) {
            assert.ok(after !== null, `${each.kind} lost a stop`);
            assert.ok(after.deadlineMs <= before.deadlineMs);
            assert.ok(after.escalated || !before.escalated, "what is killed stays killed");
          }
          if (each.kind === "stop-requested" && !hasEnded(state)) {
            assert.ok(after !== null);
            const inTime = after.escalated || after.deadlineMs <= each.stop.deadlineMs;
            assert.ok(inTime, "a shorter grace counts");
          }
          state = next;
        }
      }),
    );
  });

  it("says who asked for the end only where that is what ended it", () => {
    fc.assert(
      fc.property(fc.array(event, { size: "max", maxLength: 30 }), (events) => {
        let state = START;
        let stopped = false;
        const signals = new Map<number, string>();
        for (const each of events) {
          const [next] = step(state, each);
          if (each.kind === "stop-requested" && !hasEnded(state)) stopped = true;
          if (each.kind === "signalled" && state.kind === "running") {
            signals.set(each.signal.signal, each.signal.principal);
          }
          if (next.kind === "exited" && state.kind !== "exited") {
            const { exit } = next;
            if (exit.cause === "stop-requested") assert.ok(stopped);
            else assert.ok(!stopped, "a stop was not given as the cause");
            if (exit.cause === "signal-requested") {
              assert.ok(exit.outcome.kind === "signal");
              assert.equal(signals.get(exit.outcome.number), exit.requester?.principal);
            }
            if (exit.cause === "self") assert.equal(exit.outcome.kind, "code");
            const somebody = ["stop-requested", "signal-requested"].includes(exit.cause);
            assert.equal(exit.requester !== null, somebody);
          }
          state = next;
        }
      }),
    );
  });

  it("begins a stop that came before birth as soon as there is a worker", () => {
    const stop = {
      principal: "uid:1",
      requestId: "",
      signal: 15,
      deadlineMs: 7,
      escalated: false,
    } as const;
    const [waiting, none] = step(START, { kind: "stop-requested", stop });
    assert.deepEqual(none, []);
    const [stopping, effects] = step(waiting, BORN);
    assert.equal(stopping.kind, "stopping");
    assert.deepEqual(effects, [
      { kind: "signal", signal: 15, scope: "worker" },
      { kind: "arm-stop-deadline", atMs: 7 },
    ]);
    const [, killing] = step(stopping, { kind: "stop-deadline" });
    assert.deepEqual(killing, [{ kind: "signal", signal: SIGKILL, scope: "tree" }]);
  });
});
