import assert from "node:assert/strict";
import { appendFile, mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OutputDirectory } from "../../../server/kernel/output-files.js";
import type { OutputFile } from "../../../server/processes/output.js";
import { eventually } from "../../support/eventually.js";
import { uidOf } from "../processes/fixture.js";

const UID = uidOf(1);

/** As the keeper writes it. */
function offsets(stdout: readonly [number, number], stderr: readonly [number, number]): string {
  const digits = (number: number): string => String(number).padStart(20, "0");
  return (["stdout", "stderr"] as const)
    .map((name, index) => {
      const [epoch, begin] = index === 0 ? stdout : stderr;
      return `${name} ${digits(epoch)} ${digits(begin)}\n`;
    })
    .join("");
}

describe("the output directory", () => {
  let root: string;
  let directory: string;
  let output: OutputDirectory;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "forkbus-output-"));
    directory = join(root, UID);
    await mkdir(directory);
    output = new OutputDirectory(() => root);
  });

  afterEach(async () => {
    await rm(root, { recursive: true, force: true });
  });

  async function read(file: OutputFile, offset: number, size = 100): Promise<string> {
    const buffer = Buffer.alloc(size);
    return buffer.toString("latin1", 0, await file.read(buffer, offset));
  }

  it("tells where each stream begins and ends, and reads it", async () => {
    await writeFile(join(directory, "stdout"), "0123456789");
    await writeFile(join(directory, "stderr"), "abc");
    await writeFile(join(directory, "offsets"), offsets([2, 4], [0, 1]));
    await using stdout = await output.open(UID, "stdout");
    assert.deepEqual(await stdout.extent(), { epoch: 2, begin: 4, end: 10 });
    assert.equal(await read(stdout, 4, 3), "456");
    assert.equal(await read(stdout, 8), "89");
    assert.equal(await read(stdout, 10), "");
    assert.equal(await stdout.read(Buffer.alloc(0), 0), 0);
    await using stderr = await output.open(UID, "stderr");
    assert.deepEqual(await stderr.extent(), { epoch: 0, begin: 1, end: 3 });
    assert.deepEqual(await output.extent(UID, "stdout"), { epoch: 2, begin: 4, end: 10 });
  });

  it("sees what changes in files that are open", async () => {
    await writeFile(join(directory, "stdout"), "0123");
    await writeFile(join(directory, "offsets"), offsets([0, 0], [0, 0]));
    await using file = await output.open(UID, "stdout");
    await appendFile(join(directory, "stdout"), "4567");
    await writeFile(join(directory, "offsets"), offsets([0, 5], [0, 0]), { flag: "r+" });
    assert.deepEqual(await file.extent(), { epoch: 0, begin: 5, end: 8 });
    await truncate(join(directory, "stdout"), 1);
    assert.equal(
      (await file.extent()).end,
      1,
      "it lies before the beginning until the keeper looks",
    );
    await writeFile(join(directory, "offsets"), offsets([1, 0], [0, 0]), { flag: "r+" });
    assert.deepEqual(await file.extent(), { epoch: 1, begin: 0, end: 1 });
  });

  it("reads on when everything is removed meanwhile", async () => {
    await writeFile(join(directory, "stdout"), "0123");
    await writeFile(join(directory, "offsets"), offsets([3, 2], [0, 0]));
    await using file = await output.open(UID, "stdout");
    await rm(directory, { recursive: true });
    assert.deepEqual(await file.extent(), { epoch: 3, begin: 2, end: 4 });
    assert.equal(await read(file, 2), "23");
    assert.deepEqual(await output.extent(UID, "stdout"), { epoch: 0, begin: 0, end: 0 });
    using _watch = file.watch(() => undefined);
  });

  it("has an empty stream where there is no file", async () => {
    for (const uid of [UID, uidOf(2)]) {
      await using file = await output.open(uid, "stderr");
      assert.deepEqual(await file.extent(), { epoch: 0, begin: 0, end: 0 });
      assert.equal(await read(file, 0), "");
      using _watch = file.watch(() => undefined);
      assert.deepEqual(await output.extent(uid, "stderr"), { epoch: 0, begin: 0, end: 0 });
    }
  });

  it("takes a stream without offsets, or with none that can be read, as whole", async () => {
    await writeFile(join(directory, "stdout"), "01");
    assert.deepEqual(await output.extent(UID, "stdout"), { epoch: 0, begin: 0, end: 2 });
    await writeFile(join(directory, "offsets"), "stdout x y\nxstdout 1 2\n");
    assert.deepEqual(await output.extent(UID, "stdout"), { epoch: 0, begin: 0, end: 2 });
  });

  it("does not take what it cannot read for empty", async () => {
    await writeFile(join(root, uidOf(3)), "");
    await assert.rejects(output.open(uidOf(3), "stdout"), { code: "ENOTDIR" });
    await assert.rejects(output.extent(uidOf(3), "stdout"), { code: "ENOTDIR" });
  });

  it("calls back for what is written, until disposed", async () => {
    await writeFile(join(directory, "stdout"), "");
    await using file = await output.open(UID, "stdout");
    let changes = 0;
    const watch = file.watch(() => changes++);
    await appendFile(join(directory, "stdout"), "x");
    await eventually(
      () => changes,
      (seen) => seen > 0,
    );
    watch[Symbol.dispose]();
    const before = changes;
    await appendFile(join(directory, "stdout"), "x");
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(changes, before);
  });

  it("lists the processes of which there is output, and nothing else", async () => {
    await mkdir(join(root, uidOf(2)));
    await writeFile(join(root, "keeper.lock"), "");
    assert.deepEqual([...(await output.list())].sort(), [UID, uidOf(2)]);
  });

  it("follows the keeper to another directory", async () => {
    const path = join(root, "other");
    let current = root;
    const moving = new OutputDirectory(() => current);
    await mkdir(join(path, UID), { recursive: true });
    await writeFile(join(path, UID, "stdout"), "other");
    assert.equal((await moving.extent(UID, "stdout")).end, 0);
    current = path;
    assert.equal((await moving.extent(UID, "stdout")).end, 5);
  });
});
