import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { processMemory } from "../../../server/kernel/process-memory.js";
import { startTicksOf } from "../../../server/kernel/process-start.js";

describe("the memory of a process", () => {
  const { pid } = process;
  const startTicks = startTicksOf(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? 0n;

  it("is what the kernel says of it", async () => {
    const memory = await processMemory({ pid, startTicks });
    assert.ok(memory !== null && memory.rssBytes > 1 << 20);
    assert.ok(memory.pssBytes > 0 && memory.pssBytes <= memory.rssBytes);
  });

  it("is not that of another process with the same pid, or of none", async () => {
    assert.equal(await processMemory({ pid, startTicks: startTicks + 1n }), null);
    assert.equal(await processMemory({ pid: 2 ** 22 + 1, startTicks }), null);
  });
});
