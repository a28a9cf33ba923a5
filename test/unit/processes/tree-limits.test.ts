import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Controller,
  enforceable,
  limitFiles,
  NO_LIMITS,
  type TreeLimits,
  validateTreeLimits,
} from "../../../server/processes/tree-limits.js";

const ALL: TreeLimits = {
  memoryMaxBytes: 2 ** 40,
  memoryHighBytes: 2 ** 30,
  pidsMax: 64,
  cpuWeight: 10_000,
  cpuMaxMilli: 1500,
  bestEffort: false,
};

describe("the limits of a tree", () => {
  it("are files of its leaf, as the kernel takes them", () => {
    assert.deepEqual(
      limitFiles(ALL).map(({ setting }) => setting),
      [
        "memory.max=1099511627776",
        "memory.high=1073741824",
        "pids.max=64",
        "cpu.weight=10000",
        "cpu.max=150000 100000",
      ],
    );
    assert.deepEqual(limitFiles(NO_LIMITS), []);
  });

  it("give no less CPU time than the kernel can", () => {
    const [file] = limitFiles({ ...NO_LIMITS, cpuMaxMilli: 1 });
    assert.equal(file?.setting, "cpu.max=1000 100000");
  });

  it("fail a create that asks for what nobody can enforce, and name it", () => {
    assert.throws(() => enforceable(ALL, (controller) => controller !== "pids"), {
      code: "kernel-feature-missing",
      message: /spec\.limits\.pids_max needs the pids controller/,
      facts: { feature: "cgroup2 pids controller" },
    });
    assert.deepEqual(
      enforceable(NO_LIMITS, () => false),
      { settings: [], unenforced: [] },
    );
  });

  it("are set as far as can be where best effort is enough, and the rest is named", () => {
    const found = enforceable({ ...ALL, bestEffort: true }, (controller) => controller === "cpu");
    assert.deepEqual(found.settings, ["cpu.weight=10000", "cpu.max=150000 100000"]);
    assert.deepEqual(found.unenforced, ["memory_max_bytes", "memory_high_bytes", "pids_max"]);
  });

  it("are each either set or named, none twice", () => {
    const amount = fc.option(fc.integer({ min: 1, max: 10_000 }));
    const limits = fc.record({
      memoryMaxBytes: amount,
      memoryHighBytes: amount,
      pidsMax: amount,
      cpuWeight: amount,
      cpuMaxMilli: amount,
      bestEffort: fc.constant(true),
    });
    const controllers = fc.uniqueArray(fc.constantFrom<Controller>("memory", "pids", "cpu"));
    fc.assert(
      fc.property(limits, controllers, ({ bestEffort, ...amounts }, there) => {
        const found = enforceable({ ...amounts, bestEffort }, (one) => there.includes(one));
        const asked = Object.values(amounts).filter((value) => value !== null).length;
        assert.equal(found.settings.length + found.unenforced.length, asked);
        for (const setting of found.settings) {
          assert.ok(
            there.some((controller) => setting.startsWith(`${controller}.`)),
            setting,
          );
        }
      }),
    );
  });

  it("are refused where they cannot mean anything", () => {
    validateTreeLimits(ALL);
    validateTreeLimits(NO_LIMITS);
    assert.throws(
      () => {
        validateTreeLimits({ ...NO_LIMITS, cpuWeight: 10_001 });
      },
      { facts: { field: "spec.limits.cpu_weight", value: "10001" } },
    );
    for (const field of ["memoryMaxBytes", "memoryHighBytes"]) {
      assert.throws(
        () => {
          validateTreeLimits({ ...NO_LIMITS, [field]: 2 ** 60 });
        },
        { code: "invalid-field" },
      );
    }
  });
});
