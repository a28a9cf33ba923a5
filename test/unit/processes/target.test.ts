import assert from "node:assert/strict";
import { validateSpec } from "../../../server/processes/process-spec.js";
import {
  type FunctionTarget,
  MAX_PAYLOAD_BYTES,
  methodOf,
  targetBytes,
  targetName,
  validateFunction,
} from "../../../server/processes/target.js";
import { functionOf } from "../templates/fixture.js";
import { exec, specOf } from "./fixture.js";

const NO_ARGUMENTS = { encoding: "json", bytes: 0, digest: "" };

function refusal(patch: Partial<FunctionTarget>): () => void {
  return () => {
    validateFunction("spec.python", functionOf("python", patch));
  };
}

describe("a function as a target", () => {
  it("names the field that cannot be right", () => {
    const cases: readonly (readonly [Partial<FunctionTarget>, string])[] = [
      [{ function: "" }, "spec.python.function"],
      [{ function: "a\0b" }, "spec.python.function"],
      [{ function: "x".repeat(4097) }, "spec.python.function"],
      [{ resultEncoding: "" }, "spec.python.result_encoding"],
      [{ resultEncoding: "JSON" }, "spec.python.result_encoding"],
      [{ resultEncoding: "x".repeat(33) }, "spec.python.result_encoding"],
      [{ arguments: { ...NO_ARGUMENTS, encoding: "a b" } }, "spec.python.arguments.encoding"],
      [{ modulePath: ["/app", "lib"] }, "spec.python.module_path"],
      [{ modulePath: [`/${"x".repeat(4095)}`] }, "spec.python.module_path"],
      [{ modulePath: Array<string>(65).fill("/a") }, "spec.python.module_path"],
      [{ mainFile: "main.py" }, "spec.python.main_file"],
      [{ mainFile: "/\0" }, "spec.python.main_file"],
    ];
    for (const [patch, field] of cases) {
      assert.throws(refusal(patch), (error: { code?: unknown; facts?: { field?: unknown } }) => {
        assert.deepEqual([error.code, error.facts?.field], ["invalid-field", field]);
        return true;
      });
    }
  });

  it("takes what is just right", () => {
    refusal({
      function: "x".repeat(4096),
      resultEncoding: "x".repeat(32),
      arguments: { ...NO_ARGUMENTS, bytes: MAX_PAYLOAD_BYTES },
      modulePath: Array<string>(64).fill("/a"),
      mainFile: "/main.py",
    })();
  });

  it("has arguments that fit in a message to the keeper", () => {
    const bytes = MAX_PAYLOAD_BYTES + 1;
    assert.throws(refusal({ arguments: { ...NO_ARGUMENTS, bytes } }), {
      code: "payload-too-large",
      facts: {
        field: "spec.python.arguments",
        bytes: String(bytes),
        max_bytes: String(MAX_PAYLOAD_BYTES),
      },
    });
  });

  it("runs as its fork server does, and as another user only when it is spawned", () => {
    const spawned = functionOf("python", { origin: { method: "spawn", template: "python" } });
    const spec = specOf({ target: spawned, runAs: "ada" });
    assert.equal(validateSpec(spec), spec);
    assert.throws(() => validateSpec(specOf({ target: functionOf("python"), runAs: "ada" })), {
      facts: { field: "spec.run_as.user", value: "ada" },
    });
  });

  it("has a name for messages, a start method and a size", () => {
    const target = functionOf("python", { function: "ab:c", modulePath: ["/de"] });
    assert.equal(targetName(target), "python ab:c");
    assert.equal(targetName(exec(["tool"], "/bin/tool")), "/bin/tool");
    assert.deepEqual([methodOf(target), methodOf(exec(["a"]))], ["forkserver", "spawn"]);
    assert.deepEqual([targetBytes(target), targetBytes(exec(["ab", "c"]))], [7, 3]);
  });
});
