import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { ResultFiles } from "../../../server/kernel/result-files.js";
import { uidOf } from "../processes/fixture.js";

const UID = uidOf(1);
const READY = {
  kind: "ready",
  runtime: "3.11.7",
  modules: [{ name: "numpy", loadUs: 81_234.5 }],
  threads: [],
  openFiles: ["/a"],
  canFork: true,
  why: "",
  bytes: 0,
};
const FAILED = {
  kind: "failed",
  module: "app",
  exception: { type: "ImportError", message: "no", traceback: "line 1\nline 2" },
  message: "no app",
  threads: ["t"],
  openFiles: [],
  bytes: 0,
};

describe("the result file of a worker", () => {
  let directory: string;
  let files: ResultFiles;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "forkbus-results-"));
    await mkdir(join(directory, UID));
    files = new ResultFiles(() => directory);
  });

  afterEach(async () => {
    await rm(directory, { recursive: true });
  });

  async function write(head: unknown, body: Uint8Array = new Uint8Array()): Promise<Buffer> {
    const content = Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), body]);
    await writeFile(join(directory, UID, "result"), content);
    return content;
  }

  it("holds what its function gave back, byte for byte", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (data) => {
        await write({ kind: "value", encoding: "raw", bytes: data.length }, data);
        const result = await files.result(UID);
        assert.ok(result?.kind === "value");
        assert.equal(result.encoding, "raw");
        assert.deepEqual(new Uint8Array(result.data), data);
        assert.deepEqual(files.recent(UID), result, "the same when it is read at once");
      }),
      { numRuns: 30 },
    );
  });

  it("holds what it raised, with the exception itself where that could be encoded", async () => {
    const exception = { type: "ValueError", message: "é\n", traceback: "line 1\nline 2" };
    await write({ kind: "exception", ...exception, encoding: "", bytes: 0 });
    assert.deepEqual(await files.result(UID), {
      kind: "exception",
      ...exception,
      payload: null,
      sizeBytes: 0,
    });
    const body = Buffer.from([1, 10, 2]);
    await write({ kind: "exception", ...exception, encoding: "pickle", bytes: 3 }, body);
    const result = await files.result(UID);
    assert.deepEqual(result, {
      kind: "exception",
      ...exception,
      payload: { encoding: "pickle", data: body },
      sizeBytes: 3,
    });
    assert.equal(await files.report(UID), null, "a worker reports nothing");
  });

  it("has an outline that says how much there is, without all of it", async () => {
    const data = Buffer.alloc(1024 * 1024, 7);
    await write({ kind: "value", encoding: "raw", bytes: data.length }, data);
    const outline = await files.outline(UID);
    assert.ok(outline?.kind === "value");
    assert.deepEqual([outline.sizeBytes, outline.data.length], [data.length, 0]);
    const traceback = "x".repeat(60_000);
    const exception = { type: "E", message: "m", traceback, encoding: "", bytes: 0 };
    await write({ kind: "exception", ...exception });
    const long = await files.outline(UID);
    assert.ok(long?.kind === "exception");
    assert.equal(long.traceback, traceback, "a line is read to its end, however long");
  });

  it("is read at once only where it is short", async () => {
    for (const [length, isShort] of [
      [15_000, true],
      [20_000, false],
    ] as const) {
      await write({ kind: "value", encoding: "raw", bytes: length }, Buffer.alloc(length, 7));
      assert.equal(files.recent(UID) !== undefined, isShort, `${length} bytes`);
    }
  });

  it("is none where a worker has put a pipe, a link or a directory, and nobody waits for it", async () => {
    const path = join(directory, UID, "result");
    const commands = ["mkfifo", "ln -s /etc/passwd", "mkdir"];
    for (const command of commands) {
      assert.equal(spawnSync("sh", ["-c", `${command} "$1"`, "sh", path]).status, 0, command);
      assert.equal(files.recent(UID), null, command);
      assert.equal(await files.result(UID), null, command);
      await rm(path, { recursive: true });
    }
  });

  it("counts as none wherever it was cut off", async () => {
    const content = await write({ kind: "value", encoding: "json", bytes: 3 }, Buffer.from("[1]"));
    for (let length = 0; length < content.length; length++) {
      await writeFile(join(directory, UID, "result"), content.subarray(0, length));
      assert.equal(await files.result(UID), null, `${length} of ${content.length} bytes`);
      assert.equal(files.recent(UID), null, `${length} of ${content.length} bytes`);
      assert.equal(await files.outline(UID), null, `${length} of ${content.length} bytes`);
    }
  });

  it("counts as none when a worker has written something else into it", async () => {
    const others = ["", "\n", "[]\n", '{"kind":"value"}\n', '{"kind":"other","bytes":0}\n', "{\n"];
    const negative = '{"kind":"value","encoding":"json","bytes":-1}\n';
    for (const text of [...others, negative, `${"x".repeat(3_000_000)}\n`]) {
      await writeFile(join(directory, UID, "result"), text);
      assert.equal(await files.result(UID), null, text.slice(0, 50));
      assert.equal(await files.report(UID), null);
    }
  });

  it("is none where there is no file", async () => {
    assert.equal(await files.result(UID), null);
    assert.equal(files.recent(UID), null);
    assert.equal(await files.report(uidOf(2)), null);
    assert.equal(await files.tail(UID, "stdout"), "");
  });

  it("says of a zygote that it is ready, or why it cannot be", async () => {
    await write(READY);
    const { runtimeVersion, ...rest } = (await files.report(UID)) as { runtimeVersion: string };
    assert.equal(runtimeVersion, "3.11.7");
    const { kind: _kind, bytes: _bytes, runtime: _runtime, ...expected } = READY;
    assert.deepEqual(rest, expected);
    assert.equal(await files.result(UID), null, "a zygote has no result");
    await write(FAILED);
    const { kind: _failed, bytes: _none, ...failure } = FAILED;
    assert.deepEqual(await files.report(UID), { ...failure, stderrTail: "" });
  });

  it("lies beside the output, of which the last page is shown", async () => {
    const text = Array.from({ length: 2000 }, (_, line) => `line ${line}\n`).join("");
    await writeFile(join(directory, UID, "stderr"), text);
    assert.equal(await files.tail(UID, "stderr"), text.slice(-4096));
    await writeFile(join(directory, UID, "stdout"), "short");
    assert.equal(await files.tail(UID, "stdout"), "short");
  });
});
