import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  type Client,
  connect,
  NotFoundError,
  QueueEmpty,
  TimedOutError,
} from "../../../client/typescript/index.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";

const largeBytes = 3_000_000;

describe("the client's calls on a queue end", function () {
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

  it("with CANCELLED after the client was closed, each of them", async () => {
    const queue = await bus.queue({ codec: "utf8" });
    bus.close();
    for (let round = 0; round < 3; round++) {
      await assert.rejects(queue.put("late"), { code: "CANCELLED" });
      await assert.rejects(queue.putMany(["late"]), { code: "CANCELLED" });
    }
  });

  it("with the reason of a signal that had aborted before, and without an effect", async () => {
    await using queue = await bus.queue();
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    await assert.rejects(queue.put(randomBytes(largeBytes), { signal }), reason);
    await assert.rejects(queue.put(randomBytes(10), { signal }), reason);
    assert.equal(await queue.size(), 0);
    await queue.putMany([randomBytes(1), randomBytes(1), randomBytes(1)]);
    for await (const batch of queue.batches({ maxItems: 2 })) if (batch.length > 0) break;
    await assert.rejects(queue.get({ signal }), reason);
    await assert.rejects(queue.getMany(9, { signal }), reason);
    assert.equal((await queue.getMany(9)).length, 1);
  });

  it("with the reason when a large put is aborted while the daemon is away", async () => {
    await using patient = await connect(daemon.address, { reconnectMs: 30_000 });
    await using queue = await patient.queue({ name: "away" });
    await daemon.kill();
    const aborting = new AbortController();
    const putting = queue.put(randomBytes(largeBytes), { signal: aborting.signal });
    const reason = new Error("enough");
    setTimeout(() => {
      aborting.abort(reason);
    }, 100);
    const began = performance.now();
    await assert.rejects(putting, reason);
    assert.ok(performance.now() - began < 10_000);
    await daemon.startDaemon();
  });

  it("with a large item that is there, however short the time", async () => {
    await using queue = await bus.queue();
    const item = randomBytes(16 * 1024 * 1024);
    for (const timeoutMs of [0, 1, 5]) {
      await queue.put(item);
      assert.ok(item.equals(await queue.get({ timeoutMs })), `${timeoutMs} ms`);
    }
    await assert.rejects(queue.getNowait(), QueueEmpty);
  });

  it("with what is in the queue when the source of a putMany makes a pause", async () => {
    await using queue = await bus.queue({ codec: "utf8" });
    let goOn: () => void = () => undefined;
    async function* source(): AsyncGenerator<string, void> {
      yield "first";
      yield "second";
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
      yield "third";
    }
    const putting = queue.putMany(source());
    await eventually(
      () => queue.size(),
      (size) => size === 2,
      { withinMs: 5000 },
    );
    goOn();
    await putting;
    assert.deepEqual(await queue.getMany(9), ["first", "second", "third"]);
  });

  it("at once when a putMany fails while its source makes a pause", async () => {
    async function* source(): AsyncGenerator<string, void> {
      yield "first";
      await new Promise<void>(() => undefined);
    }
    for (const end of ["delete", "close"] as const) {
      const handle = await bus.queue({ name: "gone", codec: "utf8", maxItems: 1 });
      await handle.put("full");
      const putting = handle.putMany(source());
      await eventually(
        async () => (await bus.queues.getQueue({ name: "gone" })).queue?.status?.waitingPuts,
        (waiting) => waiting === 1,
      );
      if (end === "close") handle.close();
      else await handle.delete();
      await assert.rejects(putting, end === "close" ? { code: "CANCELLED" } : NotFoundError);
    }
    await using left = await bus.queue({ name: "gone", codec: "utf8", maxItems: 1 });
    await left.delete();
  });

  it("with what is known of them, seconds after the daemon has come to a standstill", async () => {
    const queue = await bus.queue({ codec: "utf8" });
    const aborting = new AbortController();
    const loop = (async () => {
      for await (const item of queue.items({ signal: aborting.signal })) assert.fail(item);
    })();
    await eventually(
      async () => (await bus.queues.getQueue({ name: queue.name })).queue?.status?.consumers,
      (consumers) => consumers === 1,
    );
    process.kill(daemon.pid, "SIGSTOP");
    try {
      const reason = new Error("enough");
      const began = performance.now();
      aborting.abort(reason);
      await Promise.all([
        assert.rejects(loop, reason),
        assert.rejects(queue.get({ timeoutMs: 0 }), TimedOutError),
        assert.rejects(queue.put("more", { timeoutMs: 100 }), TimedOutError),
        assert.rejects(queue.putMany(["more"], { timeoutMs: 100 }), TimedOutError),
      ]);
      assert.ok(performance.now() - began < 12_000);
    } finally {
      process.kill(daemon.pid, "SIGCONT");
    }
    await queue.delete();
  });
});
