import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pruneCompiled } from "../../../packaging/prune.js";

describe("what was compiled", () => {
  let root: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "forkbus-prune-"));
  });

  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  it("goes when its source has gone, and nothing else does", () => {
    const kept = ["server/core/here.js", "server/core/here.js.map", "server/core/here.d.ts"];
    const gone = ["server/core/gone.js", "server/core/gone.js.map", "test/gone.test.d.ts"];
    const others = ["python/venv/lib/page.js", "client/python/page.js", "server/core/notes.txt"];
    for (const path of [...kept, ...gone, ...others].map((each) => join("dist", each))) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), "");
    }
    mkdirSync(join(root, "server/core"), { recursive: true });
    writeFileSync(join(root, "server/core/here.ts"), "");

    pruneCompiled(root);
    const left = [...kept, ...gone, ...others].filter((path) =>
      existsSync(join(root, "dist", path)),
    );
    assert.deepEqual(left, [...kept, ...others]);
  });
});
