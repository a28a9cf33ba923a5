import assert from "node:assert/strict";
import { type CgroupTexts, treeLimitsCheck } from "../../../server/kernel/tree-limits-check.js";
import { type Controller } from "../../../server/processes/tree-limits.js";
import { type Check } from "../../../server/observability/server-report.js";

const NONE: CgroupTexts = { keeperGroup: "", hierarchies: "" };

function check(
  controllers: readonly Controller[],
  cgroup: string | null,
  texts: Partial<CgroupTexts> = {},
): Check {
  return treeLimitsCheck({ features: { controllers }, cgroup }, { ...NONE, ...texts });
}

describe("what stands in the way of limits for trees", () => {
  const leaves = "/sys/fs/cgroup/system.slice/forkbus-keeper.service/workers";

  it("is nothing where the keeper has all controllers", () => {
    assert.equal(check(["cpu", "pids", "memory"], leaves).outcome, "ok");
  });

  it("is what is missing, which the consequence names", () => {
    const { outcome, message, consequence } = check(["pids"], null);
    assert.equal(outcome, "warning");
    assert.match(message, /controllers memory, cpu of cgroup v2/);
    assert.match(consequence, /need memory, cpu fails/);
  });

  it("is the keeper itself, where it sits right above the leaves", () => {
    const inUnit = (group: string): string => `0::/system.slice/forkbus-keeper.service${group}\n`;
    const above = check([], leaves, { keeperGroup: inUnit("") });
    assert.match(above.message, /sits in \/system\.slice\/forkbus-keeper\.service, above/);
    assert.match(above.remedy, /DelegateSubgroup=keeper/);
    for (const keeperGroup of [inUnit("/keeper"), "0::/\n", "4:memory:/a\n"]) {
      assert.match(check([], leaves, { keeperGroup }).message, /has not been given/);
    }
  });

  it("is cgroup v1, where that has a controller that is missing", () => {
    const hierarchies =
      "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t0\t1\t1\nmemory\t4\t36\t1\npids\t8\t1\t1\n";
    const { message, remedy } = check(["pids"], leaves, { hierarchies });
    assert.match(message, /cgroup v1 has the controllers memory, and/);
    assert.match(remedy, /cgroup_no_v1/);
    assert.match(check(["memory", "pids"], leaves, { hierarchies }).message, /has not been given/);
  });
});
