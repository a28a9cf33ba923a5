import assert from "node:assert/strict";
import { FirstLineParts } from "../../../bench/start/first-line-parts.js";

describe("the parts of the time to a first line", () => {
  const one = {
    admissionMs: 1,
    pendingMs: 2,
    hopMs: 3,
    forkMs: 4,
    specialiseMs: 5,
    firstLineMs: 6,
    totalMs: 21,
  };

  it("leave to the client what the daemon does not know of, so that they add up to what was measured", async () => {
    const parts = new FirstLineParts(0);
    parts.add({ samples_ms: [23.5], parts: [one] });
    const title = { role: "forkbus", group: "g", version: "1", command: "c" } as const;
    const samples = await Promise.all(parts.contenders(title).map((each) => each.run()));
    assert.deepEqual(samples.flat(), [2.5, 1, 2, 3, 4, 5, 6]);
  });

  it("leave out those of the warm-up", () => {
    const parts = new FirstLineParts(1);
    parts.add({ samples_ms: [100], parts: [one] });
    parts.add({ samples_ms: [22], parts: [one] });
    assert.deepEqual(parts.samples("client and gRPC"), [1]);
  });
});
