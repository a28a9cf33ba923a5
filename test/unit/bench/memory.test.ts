import assert from "node:assert/strict";
import { parseMemory } from "../../../bench/start/memory.js";

describe("the memory of a process", () => {
  const rollup = [
    "55d0c0a00000-7ffd3b5f2000 ---p 00000000 00:00 0                          [rollup]",
    "Rss:               12000 kB",
    "Pss:                4000 kB",
    "Pss_Dirty:          1500 kB",
    "Shared_Clean:       7000 kB",
    "Shared_Dirty:       3000 kB",
    "Private_Clean:       500 kB",
    "Private_Dirty:      1500 kB",
    "Private_Hugetlb:     100 kB",
    "",
  ].join("\n");

  it("is what it shares with nobody, and its share of the rest", () => {
    assert.deepEqual(parseMemory(rollup), { privateMb: 2.048, pssMb: 4.096 });
  });

  it("is not made up where the kernel does not say it", () => {
    assert.throws(() => parseMemory(rollup.replace(/^Pss:.*$/m, "")), /No Pss/);
  });
});
