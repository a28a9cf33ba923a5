import assert from "node:assert/strict";
import fc from "fast-check";
import { StartClock } from "../../../server/processes/start-clock.js";
import {
  type CreateMoments,
  type Moments,
  startTimings,
} from "../../../server/processes/start-timings.js";
import { uidOf } from "./fixture.js";

const DAEMON: CreateMoments = { arrivedMs: 1000, admittedMs: 1001, orderedMs: 1003 };

/** Microseconds after the create came, as the keeper tells them. */
function moments(us: Partial<Record<keyof Moments, number>>): Moments {
  const at = (offset: number | undefined): bigint =>
    offset === undefined ? 0n : BigInt(1_000_000 + offset) * 1000n;
  return {
    ordered: at(us.ordered),
    asked: at(us.asked),
    forked: at(us.forked),
    gone: at(us.gone),
    specialised: at(us.specialised),
    called: at(us.called),
  };
}

describe("the timings of a start", () => {
  it("say of a fork how long it waited, went, forked and became what it is", () => {
    const told = moments({
      ordered: 3500,
      asked: 4000,
      forked: 4700,
      gone: 5000,
      specialised: 5600,
      called: 5650,
    });
    assert.deepEqual(startTimings(DAEMON, told), {
      admissionUs: 1000,
      pendingUs: 2000,
      hopUs: 1000,
      forkUs: 700,
      specialiseUs: 900,
      firstLineUs: 50,
      totalUs: 5650,
    });
  });

  it("say of a warm worker that there was no fork", () => {
    const told = moments({
      ordered: -90_000,
      asked: -80_000,
      forked: -70_000,
      gone: 3400,
      specialised: 4000,
      called: 4100,
    });
    const timings = startTimings(DAEMON, told);
    assert.equal(timings.forkUs, 0);
    assert.equal(timings.hopUs, 400);
    assert.equal(timings.totalUs, 4100);
  });

  it("say of a spawned worker when the keeper had its order", () => {
    const timings = startTimings(
      DAEMON,
      moments({ ordered: 3300, specialised: 60_000, called: 61_000 }),
    );
    assert.equal(timings.hopUs, 300);
    assert.equal(timings.specialiseUs + timings.forkUs, 56_700);
    assert.equal(timings.totalUs, 61_000);
  });

  it("are never negative, and add up to the total, whatever the clocks say", () => {
    const moment = fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 2n ** 60n }));
    const time = fc.double({ min: 0, max: 1e12, noNaN: true });
    fc.assert(
      fc.property(
        fc.record({ arrivedMs: time, admittedMs: time, orderedMs: time }),
        fc.record({
          ordered: moment,
          asked: moment,
          forked: moment,
          gone: moment,
          specialised: moment,
          called: moment,
        }),
        (daemon, keeper) => {
          const { totalUs, ...parts } = startTimings(daemon, keeper);
          const values = Object.values(parts);
          for (const value of values) assert.ok(Number.isInteger(value) && value >= 0, `${value}`);
          assert.equal(
            values.reduce((sum, value) => sum + value, 0),
            totalUs,
          );
        },
      ),
    );
  });
});

describe("the clock of starts", () => {
  it("tells when a create came, was admitted and was ordered, once", () => {
    const clock = new StartClock();
    const uid = uidOf(1);
    clock.arrived(uid, 1, 2);
    assert.deepEqual(clock.take(uid), { arrivedMs: 1, admittedMs: 2, orderedMs: 2 });
    assert.equal(clock.take(uid), undefined);
    clock.arrived(uid, 1, 2);
    clock.admitted(uid, 3);
    clock.ordered(uid, 5);
    assert.deepEqual(clock.take(uid), { arrivedMs: 1, admittedMs: 3, orderedMs: 5 });
  });

  it("takes the last order where there were several, and none for what never came", () => {
    const clock = new StartClock();
    clock.arrived(uidOf(1), 1, 1);
    clock.ordered(uidOf(1), 5);
    clock.ordered(uidOf(1), 9);
    assert.equal(clock.take(uidOf(1))?.orderedMs, 9);
    clock.admitted(uidOf(2), 5);
    assert.equal(clock.take(uidOf(2)), undefined);
  });
});
