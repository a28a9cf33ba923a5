import assert from "node:assert/strict";
import fc from "fast-check";
import type { ProcessUid } from "../../../server/core/ids.js";
import { WarmPool, type WarmSource } from "../../../server/templates/warm-pool.js";
import { uidOf } from "../processes/fixture.js";

/** A keeper for one pool, and who is alive in it. */
class World {
  readonly held = new Set<ProcessUid>();
  readonly unborn = new Map<ProcessUid, WarmSource>();
  readonly taken = new Set<ProcessUid>();
  readonly killed = new Set<ProcessUid>();
  readonly left = new Set<ProcessUid>();
  isAway = false;
  source: WarmSource | null = null;
  readonly pool: WarmPool;
  #next = 1000;

  constructor() {
    this.pool = new WarmPool({
      newUid: () => uidOf(this.#next++),
      hold: (uid, source) => {
        if (this.isAway) throw new Error("The keeper does not answer");
        assert.deepEqual(source, this.source);
        this.unborn.set(uid, source);
      },
      kill: (uid) => {
        assert.ok(!this.taken.has(uid), `${uid} was given away and is killed`);
        this.killed.add(uid);
        this.held.delete(uid);
        this.unborn.delete(uid);
      },
      left: (uid) => this.left.add(uid),
    });
  }

  /** Of zygote 0 there is none: then they are spawned. */
  serve(number: number | null, size: number): void {
    this.source =
      number === null
        ? null
        : { server: number === 0 ? null : uidOf(number), generation: number + 1 };
    this.pool.serve(this.source, size);
    this.pool.refill();
  }

  bear(index: number): void {
    const uid = [...this.unborn.keys()][index % Math.max(1, this.unborn.size)];
    if (uid === undefined) return;
    this.unborn.delete(uid);
    this.held.add(uid);
    if (!this.isAway) this.pool.noteBorn(uid);
    this.pool.refill();
  }

  die(index: number): void {
    const uid = [...this.held][index % Math.max(1, this.held.size)];
    if (uid === undefined) return;
    this.held.delete(uid);
    if (!this.isAway) this.pool.noteGone(uid);
  }

  back(): void {
    this.isAway = false;
    this.pool.reconcile((uid) => {
      if (this.held.has(uid)) return "held";
      return this.unborn.has(uid) ? "starting" : "gone";
    });
    this.pool.refill();
  }

  take(): void {
    const taken = this.pool.take();
    if (taken === undefined) return;
    assert.ok(!this.taken.has(taken), `${taken} is given away twice`);
    assert.ok(!this.killed.has(taken), `${taken} was killed`);
    if (!this.isAway) assert.ok(this.held.has(taken), `${taken} does not wait`);
    assert.deepEqual(this.pool.source, this.source);
    assert.ok(this.left.has(taken), `${taken} is the pool's still`);
    this.taken.add(taken);
    this.held.delete(taken);
  }
}

describe("a pool of warm workers", () => {
  let world: World;

  beforeEach(() => {
    world = new World();
  });

  it("forks two at a time until it is full", () => {
    world.serve(1, 3);
    assert.equal(world.unborn.size, 2);
    world.bear(0);
    assert.equal(world.unborn.size, 2);
    world.bear(0);
    world.bear(0);
    assert.deepEqual([world.pool.ready, world.unborn.size], [3, 0]);
  });

  it("hands out the one that has waited longest, and nothing where nothing waits", () => {
    world.serve(1, 2);
    assert.equal(world.pool.take(), undefined);
    world.bear(0);
    world.bear(0);
    const [first] = world.held;
    assert.equal(world.pool.take(), first);
    assert.equal(world.pool.ready, 1);
  });

  it("ends those of a former zygote, and what is still to be born of it", () => {
    world.serve(1, 3);
    world.bear(0);
    const [held] = world.held;
    const late = [...world.unborn.keys()];
    world.serve(2, 3);
    assert.deepEqual([...world.killed].sort(), [held, ...late].sort());
    assert.deepEqual(
      [...world.unborn.values()].map(({ server }) => server),
      [uidOf(2), uidOf(2)],
    );
    world.serve(null, 0);
    assert.equal(world.unborn.size, 0);
  });

  it("ends one that it does not know", () => {
    world.pool.noteBorn(uidOf(7));
    assert.ok(world.killed.has(uidOf(7)));
  });

  it("counts one whose birth was told to nobody", () => {
    world.serve(1, 2);
    world.isAway = true;
    world.bear(0);
    world.back();
    assert.deepEqual([world.pool.ready, world.unborn.size], [1, 1]);
  });

  it("hands out none that is dead, taken or of another zygote, and fills up in the end", () => {
    const action = fc.oneof(
      fc.record({ kind: fc.constant("serve" as const), n: fc.option(fc.nat(3)), size: fc.nat(5) }),
      fc.record({
        kind: fc.constantFrom("bear" as const, "die" as const, "take" as const, "bear" as const),
        n: fc.nat(6),
      }),
      fc.record({ kind: fc.constantFrom("away" as const, "back" as const) }),
    );
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60, size: "max" }), (actions) => {
        const run = new World();
        let size = 0;
        for (const each of actions) {
          switch (each.kind) {
            case "serve":
              // A zygote changes only while the keeper can tell of it.
              if (run.isAway) break;
              size = each.n === null ? 0 : each.size;
              run.serve(each.n, size);
              break;
            case "bear":
              run.bear(each.n);
              break;
            case "die":
              run.die(each.n);
              break;
            case "take":
              if (!run.isAway) run.take();
              break;
            case "away":
              run.isAway = true;
              break;
            case "back":
              run.back();
              break;
          }
          assert.ok(run.unborn.size <= 2, "too many at once are in the way of others");
        }
        run.back();
        for (let round = 0; round < 20; round++) run.bear(0);
        assert.ok(run.pool.ready >= size, `${run.pool.ready} of ${size} wait`);
        assert.equal(run.pool.ready, run.held.size, "one waits that the pool does not know");
        for (const uid of run.held) assert.ok(!run.left.has(uid), `${uid} waits, and has left`);
      }),
      { numRuns: 1000 },
    );
  });
});
