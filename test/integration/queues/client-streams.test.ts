import assert from "node:assert/strict";
import { randomBytes, randomInt } from "node:crypto";
import { join } from "node:path";
import { type Client, connect, QueueShutDown } from "../../../client/typescript/index.js";
import { CuttingProxy } from "../../support/cutting-proxy.js";
import { DaemonHarness } from "../../support/daemon-harness.js";

describe("the client's queue streams against a daemon", function () {
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

  const numbers = (count: number) => Array.from({ length: count }, (_, index) => String(index));

  it("carry 100 000 items in order, from a source that is asked for no more than is sent", async () => {
    await using queue = await bus.queue({ codec: "utf8" });
    const items = numbers(100_000);
    const putting = queue.putMany(items).then(() => queue.shutdown());
    const seen: string[] = [];
    for await (const batch of queue.batches()) seen.push(...batch);
    await putting;
    assert.deepEqual(seen, items);
  });

  it("hold a producer back when the queue is full, and never more than its bound", async () => {
    await using queue = await bus.queue({ codec: "utf8", maxItems: 100 });
    const items = numbers(5000);
    let asked = 0;
    function* source(): Generator<string, void> {
      for (const item of items) {
        asked++;
        yield item;
      }
    }
    const putting = queue.putMany(source()).then(() => queue.shutdown());
    const seen: string[] = [];
    for await (const batch of queue.batches({ maxItems: 10 })) {
      seen.push(...batch);
      const { queue: view } = await bus.queues.getQueue({ name: queue.name });
      const status = view?.status;
      assert.ok(status !== undefined && status.ready + status.untaken <= 100n);
    }
    await putting;
    assert.equal(asked, items.length);
    assert.deepEqual(seen, items);
  });

  it("answer each of many puts that are not awaited one by one, in order and in few messages", async () => {
    await using queue = await bus.queue({ codec: "utf8" });
    const items = numbers(20_000);
    await Promise.all(items.map((item) => queue.put(item)));
    const seen: string[] = [];
    while (seen.length < items.length) seen.push(...(await queue.getMany(65_536)));
    assert.deepEqual(seen, items);
  });

  it("carry items of any size up to 64 MiB, whichever way they are put and got", async () => {
    await using queue = await bus.queue();
    const sizes = [0, 1, 1_048_512, 1_048_513, 3_000_000, 64 * 1024 * 1024];
    const large = sizes.map((size) => randomBytes(size));
    for (const item of large) await queue.put(item);
    for (const item of large) assert.ok(item.equals(await queue.get()), `${item.length} bytes`);
    await queue.putMany(large);
    const seen: Uint8Array[] = [];
    for await (const item of queue) if (seen.push(item) === large.length) break;
    for (const [index, item] of large.entries()) assert.ok(item.equals(seen[index] ?? Buffer.of()));
    const most = large.at(-1) ?? Buffer.of();
    await queue.put(most, { timeoutMs: 10_000 });
    assert.ok(most.equals(await queue.get({ timeoutMs: 10_000 })));
    await assert.rejects(queue.put(Buffer.alloc(most.length + 1)), { reason: "ITEM_TOO_LARGE" });
    await assert.rejects(queue.put(Buffer.alloc(most.length + 1), { timeoutMs: 1000 }), {
      reason: "ITEM_TOO_LARGE",
    });
    assert.equal(await queue.empty(), true);
  });

  it("prefetch and batch as many as is said, and nothing that is no number of items", async () => {
    await using queue = await bus.queue({ codec: "utf8" });
    const items = numbers(70_000);
    for (const maxItems of [1, 20_000, 65_536]) {
      await using batched = await bus.queue({ codec: "utf8" });
      await batched.putMany(items);
      for await (const batch of batched.batches({ maxItems })) {
        assert.deepEqual(batch, items.slice(0, batch.length));
        assert.ok(batch.length > 0 && batch.length <= maxItems);
        break;
      }
    }
    for (const prefetch of [1, 70_000]) {
      await queue.put("one");
      for await (const item of queue.items({ prefetch })) {
        assert.equal(item, "one");
        break;
      }
    }
    for (const wrong of [0, -1, 2.5, NaN, Infinity]) {
      await assert.rejects(queue.items({ prefetch: wrong }).next(), RangeError);
      await assert.rejects(queue.batches({ maxItems: wrong }).next(), RangeError);
      await assert.rejects(queue.getMany(wrong), RangeError);
    }
  });

  it("give up a large put exactly, and lose no large item to a get that is aborted", async () => {
    await using queue = await bus.queue({ maxBytes: 4_000_000 });
    const item = randomBytes(3_000_000);
    await queue.put(item);
    const reason = new Error("enough");
    await assert.rejects(queue.put(item, { signal: AbortSignal.timeout(200) }), {
      name: "TimeoutError",
    });
    await assert.rejects(queue.put(item, { timeoutMs: 50 }), { reason: "QUEUE_FULL" });
    assert.equal(await queue.size(), 1);
    const aborting = new AbortController();
    aborting.abort(reason);
    await assert.rejects(queue.get({ signal: aborting.signal }), reason);
    assert.ok(item.equals(await queue.get()));
    assert.equal(await queue.empty(), true);
  });

  it("tell what was not stored when the queue is shut down under a producer", async () => {
    await using queue = await bus.queue({ codec: "utf8", maxItems: 1000 });
    let stored = 0;
    const putting = queue.putMany(numbers(5000), { onPut: (count) => (stored += count) });
    const first = await queue.getMany(500);
    await queue.shutdown();
    await assert.rejects(putting, QueueShutDown);
    const rest: string[] = [];
    for await (const item of queue) rest.push(item);
    const seen = [...first, ...rest];
    assert.deepEqual(seen, numbers(seen.length));
    assert.ok(stored <= seen.length, `${stored} reported, ${seen.length} there`);
  });

  it("store each item once and in order, however often the producer's connection is cut", async () => {
    const path = join(daemon.directory, "proxy.sock");
    await using proxy = await CuttingProxy.start(path, daemon.socketPath);
    await using cut = await connect(`unix:${path}`);
    await using queue = await bus.queue({ name: "cut", codec: "utf8", maxItems: 5000 });
    const producing = await cut.openQueue("cut", { codec: "utf8" });
    const items = numbers(60_000).map((item) => item.padStart(50, "0"));
    proxy.cutAfter(Array.from({ length: 12 }, () => randomInt(1, 150_000)));
    const putting = producing.putMany(items).then(() => queue.shutdown());
    const seen: string[] = [];
    for await (const batch of queue.batches()) {
      seen.push(...batch);
    }
    await putting;
    assert.equal(proxy.cuts, 12);
    assert.deepEqual(seen, items);
  });

  it("lose at most two batches for each cut of the consumer's connection, and show nothing twice", async () => {
    const path = join(daemon.directory, "proxy.sock");
    await using proxy = await CuttingProxy.start(path, daemon.socketPath);
    await using cut = await connect(`unix:${path}`);
    await using queue = await bus.queue({ name: "cut", codec: "utf8" });
    const consuming = await cut.openQueue("cut", { codec: "utf8" });
    const items = numbers(60_000);
    await queue.putMany(items);
    await queue.shutdown();
    proxy.cutAfter(Array.from({ length: 12 }, () => randomInt(1, 20_000)));
    const seen: number[] = [];
    const maxItems = 100;
    for await (const batch of consuming.batches({ maxItems })) {
      seen.push(...batch.map(Number));
    }
    assert.equal(proxy.cuts, 12);
    assert.ok(seen.every((value, index) => index === 0 || value > (seen[index - 1] ?? -1)));
    const lost = items.length - seen.length;
    assert.ok(lost <= proxy.cuts * 2 * maxItems, `${lost} lost in ${proxy.cuts} cuts`);
  });
});
