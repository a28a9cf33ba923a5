import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ResultFiles } from "../../../server/kernel/result-files.js";
import { uidOf } from "../processes/fixture.js";

const UID = uidOf(1);

describe("result files", () => {
  let root: string;
  let path: string;
  let files: ResultFiles;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "forkbus-results-"));
    await mkdir(join(root, UID));
    path = join(root, UID, "result");
    files = new ResultFiles(() => root);
  });

  afterEach(async () => {
    await rm(root, { recursive: true, force: true });
  });

  async function write(header: object, body: string | Buffer = ""): Promise<void> {
    await writeFile(
      path,
      Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), Buffer.from(body)]),
    );
  }

  it("hold what a function gave back", async () => {
    await write({ kind: "value", encoding: "json", bytes: 2 }, "42");
    const value = { kind: "value", encoding: "json", data: Buffer.from("42"), sizeBytes: 2 };
    assert.deepEqual(await files.result(UID), value);
    assert.equal(await files.report(UID), null);
  });

  it("are told in outline without reading all of a large one", async () => {
    const body = Buffer.alloc(100_000, "x");
    await write({ kind: "value", encoding: "raw", bytes: body.length }, body);
    const outline = await files.outline(UID);
    assert.equal(outline?.sizeBytes, body.length);
    assert.equal(outline.kind === "value" && outline.data.length, 0);
    const result = await files.result(UID);
    assert.ok(result?.kind === "value" && body.equals(result.data));
  });

  it("are told in outline when the header is a long one", async () => {
    const said = { type: "ValueError", message: "m".repeat(10_000), traceback: "" };
    await write({ kind: "exception", ...said, encoding: "pickle", bytes: 3 }, "abc");
    for (const result of [await files.outline(UID), await files.result(UID)]) {
      const payload = { encoding: "pickle", data: Buffer.from("abc") };
      assert.deepEqual(result, { kind: "exception", ...said, payload, sizeBytes: 3 });
    }
  });

  it("count as none when they were never finished, or are something else", async () => {
    const nothing = async (what: string): Promise<void> => {
      assert.equal(await files.result(UID), null, what);
      assert.equal(await files.outline(UID), null, what);
      assert.equal(await files.report(UID), null, what);
    };
    await nothing("no file");
    await write({ kind: "value", encoding: "json", bytes: 3 }, "42");
    await nothing("too short");
    await write({ kind: "value", encoding: "json", bytes: 1 }, "42");
    await nothing("too long");
    await write({ kind: "value", encoding: 1, bytes: 0 });
    await nothing("another kind of header");
    await writeFile(path, "{}");
    await nothing("no line");
    await write({ kind: "value", encoding: "json", bytes: 2 }, "42");
    await truncate(path, 1 << 30);
    await nothing("a gigabyte of nothing");
  });

  it("are never what lies elsewhere, and make nobody wait", async () => {
    const elsewhere = join(root, "elsewhere");
    await writeFile(elsewhere, '{"kind":"value","encoding":"json","bytes":1}\n1');
    await symlink(elsewhere, path);
    assert.equal(await files.result(UID), null, "a link");
    await rm(path);
    execFileSync("mkfifo", [path]);
    assert.equal(await files.result(UID), null, "a pipe that nobody writes to");
    await symlink(elsewhere, join(root, UID, "stderr"));
    assert.equal(await files.tail(UID, "stderr"), "");
  });
});
