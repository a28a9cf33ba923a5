import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { inOptions } from "../../../cli/field-options.js";
import { packageRoot } from "../../../server/kernel/package-root.js";

/** Of fields that no command has an option for: what is said of them is the daemon's own business. */
const WITHOUT_OPTION = new Set([
  "spec.target",
  "spec.limits",
  "spec.on_exit",
  "spec.stop.grace_ms",
]);
const STREAMS = new Set(["spec.stdout", "spec.stderr"]);

describe("what the daemon says of a field", () => {
  it("is said of the option", () => {
    const said = {
      "spec.interpreter is the parent's": "--interpreter is the parent's",
      "spec.run_as.user is the parent's": "--user is the parent's",
      "FORK needs spec.fork_from: a process": "FORK needs --fork-from: a process",
      "spec.python.arguments.encoding is a label": "--args is a label",
      "spec.python.function is required": "--python is required",
      "spec.preload has an empty entry, spec.preload_timeout_ms is 0":
        "--preload has an empty entry, --preload-timeout is 0",
      "spec.exec.argv has a NUL.": "the command has a NUL.",
      "spec.nothing.of_the_kind": "spec.nothing.of_the_kind",
      "a spec. of its own, in respect of spec": "a spec. of its own, in respect of spec",
    };
    for (const [daemon, cli] of Object.entries(said)) assert.equal(inOptions(daemon), cli);
  });

  it("is known of every field that the daemon names and a command can set", () => {
    const fields = new Set<string>();
    for (const file of readdirSync(join(packageRoot, "server"), { recursive: true })) {
      if (!String(file).endsWith(".ts")) continue;
      const source = readFileSync(join(packageRoot, "server", String(file)), "utf8");
      for (const [, field = ""] of source.matchAll(/"(spec\.[a-z_.]*[a-z])"/g)) fields.add(field);
    }
    assert.ok(fields.size > 20);
    const unknown = [...fields].filter((field) => inOptions(field) === field);
    assert.deepEqual(
      unknown.filter((field) => !WITHOUT_OPTION.has(field) && !STREAMS.has(field)),
      [],
    );
  });
});
