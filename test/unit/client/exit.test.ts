import assert from "node:assert/strict";
import { parseExit } from "../../../client/typescript/exit.js";
import { ExitRecord, LostReason } from "../../../proto/gen/forkbus/v1/process.js";

describe("the exit of a process in the client", () => {
  it("says why it is lost for every reason of the contract", () => {
    const { UNSPECIFIED, UNRECOGNIZED, ...reasons } = LostReason;
    assert.ok("RECORD_DAMAGED" in reasons);
    for (const [name, reason] of Object.entries(reasons)) {
      assert.equal(reasonOf(reason), name.toLowerCase().replaceAll("_", "-"));
    }
    for (const reason of [UNSPECIFIED, UNRECOGNIZED]) assert.equal(reasonOf(reason), "unknown");
  });
});

function reasonOf(reason: LostReason): string {
  const outcome = { $case: "lost" as const, value: { reason, message: "why" } };
  const exit = parseExit(ExitRecord.create({ outcome }));
  assert.ok(exit.kind === "lost" && exit.message === "why");
  return exit.reason;
}
