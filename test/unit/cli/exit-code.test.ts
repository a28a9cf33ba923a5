import assert from "node:assert/strict";
import {
  UnavailableError,
  ForkbusError,
  type ErrorCode,
} from "../../../client/typescript/errors.js";
import { codeOfExit, describeExit, shortExit } from "../../../cli/exit-code.js";
import { failureOf } from "../../../cli/failure.js";
import { OutputClosed } from "../../../cli/screen.js";
import { UsageError } from "../../../cli/usage-error.js";
import { ExitRecord, LostReason } from "../../../proto/gen/forkbus/v1/process.js";

const exited = (code: number): ExitRecord =>
  ExitRecord.fromPartial({ outcome: { $case: "exitCode", value: code } });
const killed = ExitRecord.fromPartial({
  outcome: { $case: "signal", value: { number: 9, name: "SIGKILL" } },
});
const lost = ExitRecord.fromPartial({
  outcome: {
    $case: "lost",
    value: { reason: LostReason.REBOOT, message: "The host was restarted." },
  },
});

describe("the exit of a worker", () => {
  it("becomes its code, or 128 and the signal, or 125 when nobody knows", () => {
    assert.equal(codeOfExit(exited(0)), 0);
    assert.equal(codeOfExit(exited(255)), 255);
    assert.equal(codeOfExit(killed), 137);
    assert.equal(codeOfExit(lost), 125);
    assert.equal(codeOfExit(undefined), 125);
    assert.equal(codeOfExit(ExitRecord.fromPartial({})), 125);
  });

  it("is told in words", () => {
    assert.equal(describeExit(exited(3)), "exited with code 3");
    assert.equal(describeExit(killed), "was killed by SIGKILL");
    assert.equal(describeExit(lost), "was lost: The host was restarted");
    assert.deepEqual([exited(3), killed, lost, undefined].map(shortExit), [
      "3",
      "SIGKILL",
      "lost",
      "",
    ]);
  });
});

describe("a failure", () => {
  const failed = (code: ErrorCode, reason: string): ForkbusError =>
    new ForkbusError("No", { code, details: { reason, metadata: {}, retryAfterMs: undefined } });

  it("of run keeps away from the codes that workers use", () => {
    const code = (error: unknown): number => failureOf(error, "worker").code;
    assert.equal(code(failed("INVALID_ARGUMENT", "EXECUTABLE_NOT_FOUND")), 127);
    assert.equal(code(failed("INVALID_ARGUMENT", "EXECUTABLE_NOT_RUNNABLE")), 126);
    assert.equal(code(failed("INVALID_ARGUMENT", "WORKING_DIR_INVALID")), 125);
    assert.equal(code(new UnavailableError("Nobody", { code: "UNAVAILABLE" })), 125);
    assert.equal(code(new UsageError("What")), 125);
    assert.equal(code(new Error("Oh")), 125);
    assert.equal(code(new OutputClosed("Gone")), 141);
  });

  it("of other commands tells usage, absence of a daemon and refusal apart", () => {
    const code = (error: unknown): number => failureOf(error, "plain").code;
    assert.equal(code(failed("NOT_FOUND", "PROCESS_NOT_FOUND")), 1);
    assert.equal(code(new UnavailableError("Nobody", { code: "UNAVAILABLE" })), 3);
    assert.equal(code(new UsageError("What")), 2);
    assert.equal(code(new Error("Oh")), 1);
  });

  it("is one line without control characters, and nothing at all when nobody reads it", () => {
    assert.equal(failureOf(new Error("a\n\u001b[2Jb"), "plain").sentence, "a\\n\\x1b[2Jb");
    assert.equal(failureOf(new OutputClosed("Gone"), "plain").sentence, undefined);
  });
});
