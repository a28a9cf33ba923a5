import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { type Client, connect } from "../../../client/typescript/index.js";
import { packageRoot } from "../../../server/kernel/package-root.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";

describe("a producer at its limits", function () {
  this.timeout(60_000);
  let daemon: DaemonHarness;
  let bus: Client;

  beforeEach(async () => {
    daemon = await DaemonHarness.start();
    bus = await connect(daemon.address);
  });

  afterEach(async () => {
    bus.close();
    await daemon[Symbol.asyncDispose]();
  });

  it("goes on after it was too busy to read for seconds, with much to send", async function () {
    // Two ends that wait for each other are parted by the client's keepalive, after 30 s.
    this.timeout(25_000);
    await using queue = await bus.queue({ name: "busy", maxItems: 1 });
    const program = join(packageRoot, "dist/cli/main.js");
    const env = { ...process.env, FORKBUS_ADDRESS: daemon.address };
    const args = [program, "queue", "get", "--follow", "--raw", "busy"];
    const consumer = spawn(process.execPath, args, { env, stdio: "ignore" });
    const ended = once(consumer, "exit");
    let stored = 0;
    const puts: Promise<unknown>[] = [];
    const put = (bytes: number): void => {
      puts.push(queue.put(new Uint8Array(bytes)).then(() => stored++));
    };
    for (let count = 0; count < 5000; count++) put(10);
    await eventually(
      () => stored,
      (count) => count > 0,
    );
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000);
    for (let count = 0; count < 60; count++) put(50_000);
    await Promise.all(puts);
    await queue.shutdown();
    assert.deepEqual(await ended, [0, null]);
  });

  it("asks its source for no more than it may have under way, however small the items", async () => {
    await using queue = await bus.queue({ codec: "utf8", maxItems: 10 });
    let asked = 0;
    function* source(): Generator<string, void> {
      for (;;) yield String(asked++);
    }
    let stored = 0;
    const putting = queue.putMany(source(), { onPut: (count) => (stored += count) });
    await eventually(
      () => queue.full(),
      (full) => full,
    );
    await queue.shutdown();
    await assert.rejects(putting, { reason: "QUEUE_SHUT_DOWN" });
    assert.ok(asked < 32_768, `${asked} asked for`);
    assert.equal(stored, 10, "what was stored of a frame counts, though the rest of it was not");
  });

  it("stores nothing after an item that there may not be", async () => {
    await using queue = await bus.queue();
    const items = [1, 64 * 1024 * 1024 + 1, 2].map((size) => new Uint8Array(size));
    let stored = 0;
    await assert.rejects(queue.putMany(items, { onPut: (count) => (stored += count) }), {
      reason: "ITEM_TOO_LARGE",
    });
    assert.deepEqual([stored, await queue.size()], [1, 1]);
  });

  it("refuses what is no bytes, as a program without types may put it", async () => {
    await using queue = await bus.queue();
    for (const junk of ["text", 7, {}, [1, 2], null, undefined, new ArrayBuffer(3)]) {
      const item: unknown = junk;
      await assert.rejects(queue.put(item as Uint8Array), TypeError);
      await assert.rejects(queue.putMany([item as Uint8Array]), TypeError);
    }
    assert.equal(await queue.size(), 0);
  });
});
