import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../../server/kernel/package-root.js";
import { buildInfo } from "../../../server/observability/build-info.js";

/** What is released under the version of forkbus. */
const OURS = ["server", "cli", "client", "proto/forkbus", "packaging", "deploy", "docs", ".ci"];
const OURS_ALONE = ["Makefile", "README.md", "tsconfig.json", "buf.yaml", "buf.gen.yaml"];
const MADE = /(^|\/)(node_modules|dist|build|__pycache__|\.venv|[\w.-]+\.egg-info)(\/|$)/;

function filesBelow(directory: string): readonly string[] {
  const path = join(packageRoot, directory);
  if (statSync(path, { throwIfNoEntry: false }) === undefined) return [];
  return readdirSync(path, { recursive: true, encoding: "utf8" })
    .filter((file) => !MADE.test(file) && statSync(join(path, file)).isFile())
    .map((file) => join(directory, file));
}

describe("the version", () => {
  it("is written in package.json and nowhere else: all others derive theirs from it", () => {
    const { version } = buildInfo();
    const written = new RegExp(`(?<![\\w.])${version.replaceAll(".", "\\.")}(?![\\w.])`);
    const files = [...OURS.flatMap(filesBelow), ...OURS_ALONE];
    assert.ok(files.length > 100);
    const repeated = files.filter((file) =>
      written.test(readFileSync(join(packageRoot, file), "utf8")),
    );
    assert.deepEqual(repeated, []);
  });
});
