import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { packageRoot } from "../../../server/kernel/package-root.js";
import { buildInfo } from "../../../server/observability/build-info.js";

const module = join(packageRoot, "server", "observability", "winston-logger.ts");

/** What a program writes to stderr that logs with these options; stdout must stay empty. */
function logged(options: string, statements: string): string[] {
  const program = `
    import { createStderrLogger } from ${JSON.stringify(module)};
    const log = createStderrLogger(${options});
    ${statements}`;
  const result = spawnSync(
    process.execPath,
    ["--import", "tsx", "--input-type=module", "-e", program],
    { encoding: "utf8", cwd: packageRoot },
  );
  assert.equal(result.status, 0, result.stderr);
  assert.equal(result.stdout, "");
  return result.stderr.split("\n").slice(0, -1);
}

describe("the logger", () => {
  it("writes one JSON object for each event to stderr, whatever the fields are", () => {
    const lines = logged(
      `{ level: "info", format: "json" }`,
      `const circle = {}; circle.self = circle;
       log.debug("dropped");
       log.info("one", { pid: 7, big: 2n, nothing: undefined, level: "mine", message: "mine" });
       log.warn("two", { circle, inside: { n: 1n }, text: "a\\nb" });
       log.error("three", { error: new Error("outer", { cause: new Error("inner") }), bad: { toJSON() { throw 1; } } });`,
    );
    assert.equal(lines.length, 3);
    const [one, two, three] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.equal(one?.["message"], "one");
    assert.equal(one["level"], "info");
    assert.equal(one["pid"], 7);
    assert.equal(one["big"], "2");
    assert.equal(one["message_"], "mine");
    assert.match(String(one["timestamp"]), /^\d{4}-/);
    assert.match(String(two?.["circle"]), /Circular/);
    assert.equal(two?.["text"], "a\nb");
    assert.match(String(three?.["error"]), /outer[^]*inner/);
  });

  it("writes one line for people for each event", () => {
    const lines = logged(
      `{ level: "debug", format: "human" }`,
      `log.debug("worker exited", { worker: "web/1", text: "a\\nb c", code: 3 });`,
    );
    assert.equal(lines.length, 1);
    assert.match(lines[0] ?? "", /^\S+ debug worker exited worker=web\/1 text="a\\nb c" code=3$/);
  });
});

describe("the build", () => {
  it("knows its version and its Node", () => {
    assert.match(buildInfo().version, /^\d+\.\d+\.\d+/);
  });
});
