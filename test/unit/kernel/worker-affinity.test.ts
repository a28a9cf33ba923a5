import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { usableCpus } from "../../../server/kernel/usable-cpus.js";
import { readAffinities } from "../../../server/kernel/worker-affinity.js";

describe("where the kernel lets a worker run", () => {
  const { pid } = process;
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const startTicks = BigInt(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "0");

  it("is read for as many as are asked about, in their order", async () => {
    const own = { pid, startTicks, expected: null };
    const gone = { pid: 2 ** 22 + 1, startTicks: 1n, expected: null };
    const found = await readAffinities(Array.from({ length: 100 }, (_, n) => (n % 2 ? own : gone)));
    found.forEach((cpus, index) => {
      assert.deepEqual(cpus, index % 2 ? usableCpus() : undefined);
    });
  });

  it("is not told of another process with the same pid", async () => {
    const other = { pid, startTicks: startTicks + 1n, expected: [9999] };
    assert.deepEqual(await readAffinities([other]), [undefined]);
    assert.deepEqual(await readAffinities([{ ...other, startTicks }]), [usableCpus()]);
  });
});
