import assert from "node:assert/strict";
import fc from "fast-check";
import { CpuLedger, type CpuRequest } from "../../../server/cpus/cpu-ledger.js";
import { formatCpuSet, parseCpuSet, sorted } from "../../../server/cpus/cpu-set.js";
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

describe("the CPU ledger", () => {
  const request: fc.Arbitrary<CpuRequest> = fc.oneof(
    fc.record({ kind: fc.constant("shared" as const), count: fc.integer({ min: 1, max: 5 }) }),
    fc.record({
      kind: fc.constant("explicit" as const),
      cpus: fc.uniqueArray(fc.nat(5), { minLength: 1 }).map(sorted),
    }),
    fc.constant({ kind: "none" } as const),
  );
  const step = fc.record({ holder: fc.nat(6).map(String), request: fc.option(request) });

  it("agrees with a plain count, and spreads by at most one", () => {
    fc.assert(
      fc.property(cpuSet, fc.array(step), (usable, steps) => {
        const ledger = new CpuLedger(usable);
        const model = new Map<string, readonly number[]>();
        const load = (cpu: number): number =>
          [...model.values()].filter((cpus) => cpus.includes(cpu)).length;
        for (const { holder, request: wanted } of steps) {
          ledger.release(holder);
          model.delete(holder);
          if (wanted === null) continue;
          try {
            const given = ledger.assign(holder, wanted);
            if (wanted.kind === "shared") {
              assert.equal(given?.length, wanted.count);
              const left = usable.filter((cpu) => !given.includes(cpu));
              for (const taken of given) {
                for (const other of left) assert.ok(load(taken) <= load(other), "the least loaded");
              }
            } else assert.deepEqual(given, wanted.kind === "none" ? undefined : wanted.cpus);
            if (given !== undefined) model.set(holder, given);
          } catch (error) {
            assert.ok(error instanceof DomainError);
            const missing =
              wanted.kind === "shared"
                ? wanted.count > usable.length
                : wanted.kind === "explicit" && wanted.cpus.some((cpu) => !usable.includes(cpu));
            assert.ok(missing, error.message);
          }
          for (const cpu of usable) assert.equal(ledger.workersOn(cpu), load(cpu));
        }
      }),
    );
  });

  it("keeps placements of an earlier daemon on CPUs that may not be used any more", () => {
    const ledger = new CpuLedger([0, 1]);
    ledger.restore("old", [0, 7]);
    assert.deepEqual(ledger.assign("new", { kind: "shared", count: 1 }), [1]);
    ledger.release("old");
    ledger.release("old");
    assert.deepEqual([ledger.workersOn(0), ledger.workersOn(1), ledger.workersOn(7)], [0, 1, 0]);
  });
});
