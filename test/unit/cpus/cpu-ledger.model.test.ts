import assert from "node:assert/strict";
import fc from "fast-check";
import { DomainError } from "../../../server/core/errors.js";
import { CpuLedger, type Move } from "../../../server/cpus/cpu-ledger.js";
import { CpuLine } from "../../../server/cpus/cpu-line.js";
import { CPU_LAYOUTS, type CpuRequest } from "../../../server/cpus/cpu-request.js";
import { type CpuSet, formatCpuSet, sorted } from "../../../server/cpus/cpu-set.js";
import { type CpuSpace, cpuSpace } from "../../../server/cpus/cpu-space.js";
import { topologyOf } from "../../support/sys-tree.js";

const hosts = ["two-sockets", "hybrid", "big-little", "container"].map((name) => topologyOf(name));

const space: fc.Arbitrary<CpuSpace> = fc.constantFrom(...hosts).chain((topology) => {
  const all = topology.cpus.map(({ id }) => id).slice(0, 40);
  const most = Math.min(12, all.length);
  return fc
    .record({
      allowed: fc.subarray(all, { minLength: 1, maxLength: most }),
      reserved: fc.subarray(all, { maxLength: 3 }),
      minShared: fc.integer({ min: 1, max: 3 }),
    })
    .filter(({ allowed, reserved }) => allowed.some((cpu) => !reserved.includes(cpu)))
    .map(({ allowed, reserved, minShared }) =>
      cpuSpace(topology, allowed, { cpus: null, reserved, minShared }),
    );
});

const count = fc.integer({ min: 1, max: 4 });
const request: fc.Arbitrary<CpuRequest> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("shared" as const), count: fc.constant(1) }),
  },
  fc.record({ kind: fc.constant("shared" as const), count }),
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("exclusive" as const),
      count,
      layout: fc.constantFrom(...CPU_LAYOUTS),
      maxWaitMs: fc.constantFrom(0, 1),
    }),
  },
  fc.record({
    kind: fc.constant("explicit" as const),
    cpus: fc.uniqueArray(fc.nat(12), { minLength: 1, maxLength: 3 }).map(sorted),
  }),
  fc.constant({ kind: "none" } as const),
);

type Action =
  | { readonly kind: "ask"; readonly holder: string; readonly request: CpuRequest }
  | { readonly kind: "end" | "give-up"; readonly holder: string };

const holder = fc.nat(14).map(String);
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("ask" as const), holder, request }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("end" as const, "end" as const, "give-up" as const),
      holder,
    }),
  },
);

/** What somebody who only hears of assignments and moves knows. */
class Run {
  readonly ledger: CpuLedger;
  readonly line: CpuLine;
  readonly known = new Map<string, { request: CpuRequest; cpus: CpuSet | null }>();
  readonly places = new Map<string, Disposable>();
  readonly space: CpuSpace;

  constructor(of: CpuSpace) {
    this.space = of;
    this.ledger = new CpuLedger(of);
    this.line = new CpuLine(this.ledger);
  }

  act(next: Action): void {
    const { holder: who } = next;
    switch (next.kind) {
      case "ask":
        if (!this.known.has(who) && !this.places.has(who)) this.#ask(who, next.request);
        return;
      case "give-up":
        this.places.get(who)?.[Symbol.dispose]();
        this.places.delete(who);
        return;
      case "end":
        if (this.known.has(who)) this.#end(who);
        return;
    }
  }

  check(): void {
    const owners = new Map<number, string>();
    for (const [who, { request: wanted, cpus }] of this.known) {
      assert.deepEqual(this.ledger.holdings.get(who)?.cpus, cpus, "what was told is what holds");
      for (const cpu of cpus ?? []) {
        assert.ok(this.space.usable.includes(cpu), `${cpu} is not for workers`);
        if (wanted.kind !== "exclusive") continue;
        assert.equal(owners.get(cpu), undefined, `${cpu} is booked twice`);
        owners.set(cpu, who);
      }
    }
    assert.equal(this.ledger.holdings.size, this.known.size);
    const free = this.space.usable.filter((cpu) => !owners.has(cpu));
    assert.deepEqual(this.ledger.sharedSet, free, "a CPU is lost");
    assert.ok(free.length > 0, "nothing is shared");
    if (owners.size > 0) assert.ok(free.length >= this.space.minShared);
    for (const [who, { request: wanted, cpus }] of this.known) {
      const width = wanted.kind === "shared" || wanted.kind === "exclusive" ? wanted.count : null;
      if (width !== null) assert.equal(cpus?.length, width, `${who} has another number of CPUs`);
      if (wanted.kind === "explicit") assert.deepEqual(cpus, wanted.cpus, "named, and moved");
      if (wanted.kind === "exclusive") continue;
      for (const cpu of cpus ?? []) {
        assert.ok(!owners.has(cpu), `${who} sits on ${cpu}, which is another's alone`);
      }
      if (wanted.kind === "none" && owners.size > 0) assert.deepEqual(cpus, free);
    }
    for (const cpu of this.space.usable) {
      const on = [...this.known.values()].filter(
        ({ request: { kind }, cpus }) => kind !== "none" && cpus?.includes(cpu),
      );
      assert.equal(this.ledger.workersOn(cpu), on.length);
    }
    const head = this.line.waiting[0];
    if (head !== undefined) {
      assert.equal(this.ledger.plan(head.request).kind, "refused", "the first could be served");
    }
  }

  #ask(who: string, wanted: CpuRequest): void {
    const before = formatCpuSet(this.ledger.occupied());
    if (wanted.kind === "exclusive" && wanted.maxWaitMs > 0) {
      const place = this.line.enter(who, wanted, ({ cpus, moves }) => {
        this.places.delete(who);
        this.#given(who, wanted, cpus, moves);
      });
      this.places.set(who, place);
      this.line.serve();
      return;
    }
    const plan = this.ledger.plan(wanted);
    assert.equal(formatCpuSet(this.ledger.occupied()), before, "a plan changes nothing");
    try {
      const { cpus, moves } = this.ledger.assign(who, wanted);
      assert.ok(plan.kind === "fits");
      assert.deepEqual(cpus, plan.cpus);
      this.#given(who, wanted, cpus, moves);
      const displaced = moves
        .map(({ holder: moved }) => moved)
        .filter((one) => this.#isPinned(one));
      assert.deepEqual(displaced.sort(), [...plan.displaced].sort());
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      assert.ok(plan.kind === "refused");
      assert.equal(error.message, plan.refusal.message);
    }
  }

  #given(who: string, wanted: CpuRequest, cpus: CpuSet | null, moves: readonly Move[]): void {
    this.known.set(who, { request: wanted, cpus });
    this.#moved(moves);
    if (wanted.kind !== "exclusive") assert.deepEqual(moves, []);
  }

  #end(who: string): void {
    this.ledger.release(who);
    this.known.delete(who);
    const waited = this.line.waiting.length;
    this.line.serve();
    const loads = (): number[] => this.ledger.sharedSet.map((cpu) => this.ledger.workersOn(cpu));
    const uneven = (): number => Math.max(...loads()) - Math.min(...loads());
    const before = uneven();
    const moves = this.ledger.settle();
    this.#moved(moves);
    const pinned = moves.filter(({ holder: moved }) => this.#isPinned(moved));
    assert.ok(pinned.length <= 1, "more than one worker moves for an exit");
    if (pinned.length === 1) {
      assert.ok(before > 1, "moved without need");
      assert.ok(uneven() <= before, "made worse");
    } else if (before > 1 && this.line.waiting.length === waited) {
      // Only such as cannot move are left on the crowded CPUs.
      const few = Math.min(...loads());
      for (const cpu of this.ledger.sharedSet.filter(
        (one) => this.ledger.workersOn(one) > few + 1,
      )) {
        for (const one of this.ledger.sharedBy(cpu)) {
          assert.ok((this.known.get(one)?.cpus?.length ?? 0) > 1, `${one} could move`);
        }
      }
    }
  }

  #isPinned(who: string): boolean {
    return this.known.get(who)?.request.kind !== "none";
  }

  #moved(moves: readonly Move[]): void {
    for (const { holder: who, cpus } of moves) {
      const known = this.known.get(who);
      assert.ok(known !== undefined, "somebody unknown moves");
      assert.notDeepEqual(known.cpus, cpus, "a move to where it is");
      assert.ok(known.request.kind === "shared" || known.request.kind === "none");
      known.cpus = cpus;
    }
  }
}

describe("the CPU ledger, whatever is asked and whoever ends", () => {
  it("books nothing twice, loses nothing, and moves at most one worker for an exit", () => {
    fc.assert(
      fc.property(space, fc.array(action, { maxLength: 60, size: "max" }), (of, actions) => {
        const run = new Run(of);
        for (const next of actions) {
          run.act(next);
          run.check();
        }
        for (const who of [...run.known.keys(), ...run.places.keys()]) {
          run.act({ kind: "give-up", holder: who });
          run.act({ kind: "end", holder: who });
          run.check();
        }
        assert.deepEqual(
          run.ledger.occupied().filter((cpu) => run.ledger.workersOn(cpu) > 0),
          [],
        );
      }),
      { numRuns: 1000 },
    );
  });
});
