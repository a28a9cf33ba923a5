import assert from "node:assert/strict";
import { describeGap, logEventJson } from "../../../cli/output/log-events.js";

const at = (epoch: bigint, offset: bigint) => ({ epoch, offset });

describe("a gap in the output", () => {
  it("says how much is missing, of what, and why", () => {
    assert.equal(
      describeGap({
        kind: "gap",
        stream: "stdout",
        from: at(0n, 4096n),
        to: at(0n, 8192n),
        reason: "retention",
      }),
      "[forkbus: 4096 bytes of stdout were dropped by retention]",
    );
  });

  it("claims no number after a truncation", () => {
    assert.equal(
      describeGap({
        kind: "gap",
        stream: "stderr",
        from: at(0n, 4096n),
        to: at(1n, 0n),
        reason: "truncated",
      }),
      "[forkbus: stderr was truncated; how much of it was lost is not known]",
    );
  });
});

describe("log events for programs", () => {
  it("have exact positions and bytes", () => {
    const position = at(0n, 3n);
    assert.deepEqual(
      logEventJson({ kind: "chunk", stream: "stdout", position, data: Buffer.from("hi\n") }),
      { stream: "stdout", epoch: 0n, offset: 3n, text: "hi\n" },
    );
    assert.deepEqual(
      logEventJson({ kind: "chunk", stream: "stderr", position, data: Uint8Array.of(0x80) }),
      { stream: "stderr", epoch: 0n, offset: 3n, base64: "gA==" },
    );
  });
});
