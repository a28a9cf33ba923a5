import assert from "node:assert/strict";
import fc from "fast-check";
import type { ProcessUid } from "../../../server/core/ids.js";
import type { Source } from "../../../server/processes/fork-servers.js";
import { ForkQueue, MAX_UNDER_WAY } from "../../../server/templates/fork-queue.js";
import { RECIPE } from "../../support/fake-fork-servers.js";
import { uidOf } from "../processes/fixture.js";

const SOURCE: Source = { kind: "fork", server: uidOf(99), recipe: RECIPE, generation: 1 };
const NEVER_BORN = { step: "birth", errno: "ECHILD", message: "" } as const;
const TOO_LATE = { step: "birth", errno: "ETIMEDOUT", message: "" } as const;
const SILENCE = { step: "birth", errno: "ETIME", message: "" } as const;
const NOT_SAFE = { step: "fork", errno: "EBUSY", message: "a thread" } as const;

class World {
  readonly queue = new ForkQueue();
  readonly started: ProcessUid[] = [];
  readonly failed = new Map<ProcessUid, string>();
  throwsFor: ProcessUid | null = null;

  submit(number: number, started = false): ProcessUid {
    const uid = uidOf(number);
    this.queue.submit({
      uid,
      template: "app",
      started,
      start: () => {
        if (uid === this.throwsFor) throw new Error("The keeper does not answer");
        this.started.push(uid);
      },
      fail: ({ message }) => {
        assert.ok(!this.failed.has(uid), "it fails once");
        this.failed.set(uid, message);
      },
    });
    return uid;
  }
}

describe("the queue of a fork server", () => {
  let world: World;

  beforeEach(() => {
    world = new World();
  });

  it("starts sixteen at once, in order, and the next when one is born", () => {
    const uids = Array.from({ length: 20 }, (_, index) => world.submit(index + 1));
    world.queue.pump(SOURCE);
    assert.deepEqual(world.started, uids.slice(0, MAX_UNDER_WAY));
    assert.equal(world.queue.hasRoom, false);
    assert.equal(world.queue.noteBorn(uidOf(3)), true);
    assert.equal(world.queue.noteBorn(uidOf(3)), false);
    world.queue.pump(SOURCE);
    assert.deepEqual(world.started, uids.slice(0, MAX_UNDER_WAY + 1));
  });

  it("tries what was never born again, before what came later", () => {
    const first = world.submit(1);
    world.queue.pump(SOURCE);
    const second = world.submit(2);
    assert.equal(world.queue.noteFailed(first, NEVER_BORN), "waits");
    world.queue.pump(SOURCE);
    assert.deepEqual(world.started, [first, first, second]);
  });

  it("gives up after eight attempts, and at once what cannot be forked", () => {
    const uid = world.submit(1);
    for (let attempt = 1; attempt <= 8; attempt++) {
      world.queue.pump(SOURCE);
      const expected = attempt === 8 ? "over" : "waits";
      assert.equal(world.queue.noteFailed(uid, NEVER_BORN), expected, `attempt ${attempt}`);
    }
    assert.equal(world.queue.noteFailed(uid, NEVER_BORN), "not-ours");
    const other = world.submit(2);
    world.queue.pump(SOURCE);
    assert.equal(world.queue.noteFailed(other, NOT_SAFE), "over");
    const silent = world.submit(3);
    world.queue.pump(SOURCE);
    assert.equal(
      world.queue.noteFailed(silent, TOO_LATE),
      "over",
      "it had all the time of a start",
    );
    assert.equal(world.queue.hasRoom, true);
  });

  it("waits for two that answer nobody, and knows who has an order", () => {
    const uid = world.submit(1);
    for (const expected of ["waits", "over"]) {
      assert.equal(world.queue.serverOf(uid), null);
      world.queue.pump(SOURCE);
      assert.equal(world.queue.serverOf(uid), uidOf(99));
      assert.equal(world.queue.noteFailed(uid, SILENCE), expected);
    }
  });

  it("starts one that was given to a warm worker only when that has failed", () => {
    const uid = world.submit(1, true);
    world.queue.pump(SOURCE);
    assert.deepEqual(world.started, []);
    assert.equal(world.queue.isUnderWay(uid), true);
    assert.equal(world.queue.noteFailed(uid, NEVER_BORN), "waits");
    world.queue.pump(SOURCE);
    assert.deepEqual(world.started, [uid]);
  });

  it("fails what cannot be ordered, and goes on", () => {
    world.throwsFor = world.submit(1);
    const second = world.submit(2);
    world.queue.pump(SOURCE);
    assert.deepEqual([...world.failed], [[uidOf(1), "The keeper does not answer"]]);
    assert.deepEqual(world.started, [second]);
    assert.equal(world.queue.isUnderWay(uidOf(1)), false);
  });

  it("fails what waits when nothing will serve, and leaves what is under way", () => {
    const first = world.submit(1);
    world.queue.pump(SOURCE);
    const second = world.submit(2);
    world.queue.failAll(new Error("deleted"));
    assert.deepEqual([...world.failed], [[second, "deleted"]]);
    assert.equal(world.queue.isUnderWay(first), true);
  });

  it("never has more than sixteen under way, and loses no job, whatever comes", () => {
    const action = fc.record({
      kind: fc.constantFrom("submit", "pump", "pump", "born", "fail", "refuse", "abandon"),
      which: fc.nat(20),
    });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 120, size: "max" }), (actions) => {
        const run = new World();
        const open = new Set<ProcessUid>();
        for (const [index, { kind, which }] of actions.entries()) {
          const picked = [...open][which % Math.max(1, open.size)] ?? uidOf(0);
          const underWay = run.queue.isUnderWay(picked);
          if (kind === "submit") open.add(run.submit(index + 1));
          else if (kind === "pump") run.queue.pump(SOURCE);
          else if (kind === "abandon") {
            assert.equal(run.queue.drop(picked), open.delete(picked));
          } else if (kind === "born") {
            assert.equal(run.queue.noteBorn(picked), underWay);
            if (underWay) open.delete(picked);
          } else {
            const outcome = run.queue.noteFailed(picked, kind === "fail" ? NEVER_BORN : NOT_SAFE);
            assert.equal(outcome === "not-ours", !underWay);
            if (outcome === "over") open.delete(picked);
          }
          const count = [...open].filter((uid) => run.queue.isUnderWay(uid)).length;
          assert.ok(count <= MAX_UNDER_WAY, `${count} are under way`);
        }
        while (open.size > 0) {
          run.queue.pump(SOURCE);
          const next = [...open].find((uid) => run.queue.noteBorn(uid));
          assert.ok(next !== undefined, "a job is lost");
          open.delete(next);
        }
        assert.equal(run.queue.hasRoom, true);
        assert.equal(run.failed.size, 0);
      }),
      { numRuns: 500 },
    );
  });
});
