import assert from "node:assert/strict";
import fc from "fast-check";
import { CpuLedger } from "../../../server/cpus/cpu-ledger.js";
import { CpuLine } from "../../../server/cpus/cpu-line.js";
import type { CpuRequest, ExclusiveRequest } from "../../../server/cpus/cpu-request.js";
import { type CpuSpace, cpuSpace } from "../../../server/cpus/cpu-space.js";
import { flatTopology } from "../../../server/cpus/topology.js";
import { type CpuSet, formatCpuSet, parseCpuSet, sorted } from "../../../server/cpus/cpu-set.js";
import { DomainError } from "../../../server/core/errors.js";

const cpuSet = fc.uniqueArray(fc.nat(300), { minLength: 1 }).map(sorted);

describe("a CPU set", () => {
  it("comes back from its text", () => {
    fc.assert(
      fc.property(cpuSet, (cpus) => {
        assert.deepEqual(parseCpuSet(formatCpuSet(cpus)), cpus);
      }),
    );
  });

  it("is written as the kernel does", () => {
    assert.equal(formatCpuSet([0, 2, 3, 4, 9]), "0,2-4,9");
    assert.deepEqual(parseCpuSet(" 4,0-1 \n"), [0, 1, 4]);
  });

  it("is none when its text is malformed", () => {
    for (const text of ["", ",", "1-", "-1", "3-1", "a", "1 2", "0-65536", "999999", "0x1"]) {
      assert.equal(parseCpuSet(text), undefined, text);
    }
  });
});

const SHARED = { kind: "shared", count: 1 } as const;
const NONE = { kind: "none" } as const;

function spaceOf(cpus: CpuSet, minShared = 1, reserved: CpuSet = []): CpuSpace {
  return cpuSpace(flatTopology(cpus), cpus, { cpus: null, reserved, minShared });
}

function exclusive(count: number, maxWaitMs = 0): ExclusiveRequest {
  return { kind: "exclusive", count, layout: "compact", maxWaitMs };
}

function explicit(...cpus: number[]): CpuRequest {
  return { kind: "explicit", cpus };
}

function refusal(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof DomainError);
    return `${error.code}${error.retryAfterMs === undefined ? "" : ", later"}: ${error.message}`;
  }
  return assert.fail("it fits");
}

describe("the CPU ledger", () => {
  it("places shared workers where the fewest are, ties by number", () => {
    const ledger = new CpuLedger(spaceOf([3, 5]));
    const given = ["a", "b", "c"].map((holder) => ledger.assign(holder, SHARED).cpus);
    assert.deepEqual(given, [[3], [5], [3]]);
    assert.deepEqual(ledger.assign("d", { kind: "shared", count: 2 }).cpus, [3, 5]);
  });

  it("keeps placements of an earlier daemon on CPUs that may not be used any more", () => {
    const ledger = new CpuLedger(spaceOf([0, 1]));
    ledger.restore("old", { kind: "shared", count: 2 }, [0, 7]);
    assert.deepEqual(ledger.assign("new", SHARED).cpus, [1]);
    assert.deepEqual(ledger.occupied(), [0, 1, 7]);
    ledger.release("old");
    ledger.release("old");
    assert.deepEqual([ledger.workersOn(0), ledger.workersOn(1), ledger.workersOn(7)], [0, 1, 0]);
  });

  it("moves shared workers off CPUs that become exclusive, and gives those to nobody else", () => {
    const ledger = new CpuLedger(spaceOf([0, 1]));
    ledger.assign("a", SHARED);
    ledger.assign("b", SHARED);
    assert.deepEqual(ledger.assign("alone", exclusive(1)), {
      cpus: [0],
      moves: [{ holder: "a", cpus: [1] }],
    });
    assert.deepEqual(ledger.assign("c", SHARED).cpus, [1]);
    assert.match(
      refusal(() => ledger.assign("d", explicit(0))),
      /^cpus-exhausted, later: CPUs 0 belong/,
    );
    assert.deepEqual(ledger.holdersOn(0), ["alone"]);
  });

  it("moves no worker that named its CPUs", () => {
    const ledger = new CpuLedger(spaceOf([0, 1, 2]));
    ledger.assign("named", explicit(0));
    assert.deepEqual(ledger.assign("alone", exclusive(1)), { cpus: [1], moves: [] });
    assert.deepEqual(ledger.assign("more", exclusive(1)), { cpus: [2], moves: [] });
    assert.match(
      refusal(() => ledger.assign("last", exclusive(1))),
      /^cpus-exhausted, later/,
    );
  });

  it("never gives the last shared CPUs away", () => {
    assert.match(
      refusal(() => new CpuLedger(spaceOf([0, 1])).assign("a", exclusive(2))),
      /^shared-set-would-be-empty: 2 CPUs were asked for one process alone, and 1 of 2 \(0-1\) can be given: 1 stays shared/,
    );
    assert.match(
      refusal(() => new CpuLedger(spaceOf([0, 1, 2], 2)).assign("a", exclusive(2))),
      /^shared-set-would-be-empty:/,
    );
    assert.match(
      refusal(() => new CpuLedger(spaceOf([0])).assign("a", exclusive(1))),
      /^shared-set-would-be-empty:/,
    );
    const ledger = new CpuLedger(spaceOf([0, 1, 2]));
    ledger.assign("wide", { kind: "shared", count: 2 });
    const plan = ledger.plan(exclusive(2));
    assert.ok(plan.kind === "refused");
    assert.deepEqual(plan.refusal.blockers, ["wide"]);
    assert.deepEqual(ledger.assign("alone", exclusive(1)).cpus, [2]);
  });

  it("gives reserved CPUs to nobody, also not to who names them", () => {
    const ledger = new CpuLedger(spaceOf([0, 1, 2], 1, [0]));
    assert.deepEqual(ledger.assign("a", SHARED).cpus, [1]);
    assert.match(
      refusal(() => ledger.assign("b", explicit(0))),
      /^cpu-unknown: CPU 0 is reserved/,
    );
    assert.deepEqual(ledger.assign("c", NONE).cpus, [1, 2]);
  });

  it("keeps workers that are not pinned off what is exclusive, and lets them back", () => {
    const ledger = new CpuLedger(spaceOf([0, 1, 2]));
    assert.deepEqual(ledger.assign("free", NONE), { cpus: null, moves: [] });
    assert.deepEqual(ledger.assign("alone", exclusive(1)).moves, [
      { holder: "free", cpus: [1, 2] },
    ]);
    assert.deepEqual(ledger.assign("late", NONE).cpus, [1, 2]);
    ledger.release("alone");
    assert.deepEqual(ledger.settle(), [
      { holder: "free", cpus: [0, 1, 2] },
      { holder: "late", cpus: [0, 1, 2] },
    ]);
    assert.deepEqual(ledger.settle(), []);
    assert.equal(ledger.workersOn(0), 0);
  });

  it("evens out by one worker when one has ended", () => {
    const ledger = new CpuLedger(spaceOf([0, 1]));
    for (const holder of ["a", "b", "c", "d"]) ledger.assign(holder, SHARED);
    ledger.release("b");
    assert.deepEqual(ledger.settle(), []);
    ledger.release("d");
    assert.deepEqual(ledger.settle(), [{ holder: "a", cpus: [1] }]);
    assert.deepEqual(ledger.settle(), []);
  });

  it("evens out nothing that cannot be moved", () => {
    const ledger = new CpuLedger(spaceOf([0, 1]));
    for (const holder of ["a", "b", "c"]) ledger.assign(holder, explicit(0));
    assert.deepEqual(ledger.settle(), []);
  });

  it("clears what an earlier daemon had no time to clear", () => {
    const ledger = new CpuLedger(spaceOf([0, 1]));
    ledger.restore("left", SHARED, [0]);
    ledger.restore("alone", exclusive(1), [0]);
    assert.deepEqual(ledger.settle(), [{ holder: "left", cpus: [1] }]);
  });

  it("leaves a CPU to the one of two that lives, when a crash hid the end of the other", () => {
    for (const order of [
      ["dead", "alive"],
      ["alive", "dead"],
    ]) {
      const ledger = new CpuLedger(spaceOf([0, 1]));
      for (const holder of order) ledger.restore(holder, exclusive(1), [0]);
      ledger.release("dead");
      assert.equal(ledger.exclusiveHolder(0), "alive");
      assert.deepEqual(ledger.sharedSet, [1]);
    }
  });

  it("says by which rules it chose, and who is in the way", () => {
    const ledger = new CpuLedger(spaceOf([0, 1, 2, 3], 1, [3]));
    ledger.assign("alone", exclusive(1));
    ledger.assign("named", explicit(1));
    const fits = ledger.plan(SHARED);
    assert.deepEqual(
      fits.steps.map(({ rule, cpus }) => `${rule}: ${formatCpuSet(cpus)}`),
      [
        "CPUs of this host: 0-3",
        "workers may use them (3 reserved): 0-2",
        "exclusive to nobody: 1-2",
        "with the fewest workers: 2",
      ],
    );
    const refused = ledger.plan(exclusive(2));
    assert.ok(refused.kind === "refused");
    assert.deepEqual(refused.refusal.blockers, ["alone", "named"]);
    assert.deepEqual(refused.refusal.facts, { missing: "1" });
  });
});

describe("the line for exclusive CPUs", () => {
  it("serves in order, and lets nobody overtake", () => {
    const ledger = new CpuLedger(spaceOf([0, 1, 2, 3]));
    const line = new CpuLine(ledger);
    const served: string[] = [];
    const enter = (holder: string, count: number): Disposable =>
      line.enter(holder, exclusive(count, 1), ({ cpus }) => {
        served.push(`${holder} ${formatCpuSet(cpus ?? [])}`);
      });
    ledger.assign("first", exclusive(2));
    enter("large", 3);
    enter("small", 1);
    assert.match(line.obstacle(exclusive(1))?.message ?? "", /^2 creates wait/);
    line.serve();
    assert.deepEqual(served, []);
    ledger.release("first");
    line.serve();
    assert.deepEqual(served, ["large 0-2"]);
    ledger.release("large");
    line.serve();
    assert.deepEqual(served, ["large 0-2", "small 0"]);
    assert.deepEqual(line.waiting, []);
    assert.equal(line.obstacle(exclusive(1)), undefined);
  });

  it("serves who is behind one that gives up", () => {
    const ledger = new CpuLedger(spaceOf([0, 1, 2]));
    const line = new CpuLine(ledger);
    const served: string[] = [];
    ledger.assign("first", exclusive(1));
    const large = line.enter("large", exclusive(2, 1), () => served.push("large"));
    line.enter("small", exclusive(1, 1), () => served.push("small"));
    large[Symbol.dispose]();
    assert.deepEqual(served, ["small"]);
    large[Symbol.dispose]();
  });
});
