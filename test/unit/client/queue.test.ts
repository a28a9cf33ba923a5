import assert from "node:assert/strict";
import {
  type Client,
  connect,
  ForkbusError,
  NotFoundError,
  QueueEmpty,
  QueueFull,
  QueueShutDown,
  UnavailableError,
} from "../../../client/typescript/index.js";
import { FakeDaemon } from "../../support/fake-daemon.js";
import { until } from "../../support/fake-daemon-until.js";

describe("A queue", () => {
  let daemon: FakeDaemon;
  let bus: Client;

  beforeEach(async () => {
    daemon = await FakeDaemon.start();
    bus = await connect(daemon.address, { reconnectMs: 5000 });
  });

  afterEach(async () => {
    bus.close();
    await daemon[Symbol.asyncDispose]();
  });

  const stored = (name: string) => daemon.queues.queue(name);
  const waiting = (calls: number) => until(() => daemon.queues.waiting === calls, 5000);

  it("is fresh without a name, and deleted when it is disposed", async () => {
    {
      await using queue = await bus.queue();
      await queue.put(Uint8Array.of(1, 2));
      assert.deepEqual([...(await queue.get())], [1, 2]);
      assert.equal(daemon.queues.queues.size, 1);
    }
    assert.equal(daemon.queues.queues.size, 0);
  });

  it("stays with a name, and is found by it", async () => {
    {
      await using queue = await bus.queue({ name: "jobs", codec: "json" });
      await queue.put({ n: 1 });
    }
    const found = await bus.openQueue("jobs", { codec: "json" });
    assert.equal(await found.size(), 1);
    assert.deepEqual(await found.get(), { n: 1 });
    assert.equal(await found.empty(), true);
    await assert.rejects(bus.openQueue("none"), NotFoundError);
  });

  it("carries items of a codec of one's own", async () => {
    const codec = {
      encode: (day: Date) => Buffer.from(day.toISOString()),
      decode: (bytes: Uint8Array) => new Date(Buffer.from(bytes).toString()),
    };
    const queue = await bus.queue({ codec });
    await queue.put(new Date(0));
    assert.equal((await queue.get()).getTime(), 0);
  });

  it("is full or empty in time, as Python says it", async () => {
    const queue = await bus.queue({ codec: "utf8", maxItems: 1 });
    await assert.rejects(queue.getNowait(), QueueEmpty);
    await assert.rejects(queue.get({ timeoutMs: 5 }), QueueEmpty);
    assert.deepEqual(await queue.getMany(9, { timeoutMs: 0 }), []);
    await queue.put("one");
    assert.equal(await queue.full(), true);
    await assert.rejects(queue.putNowait("two"), QueueFull);
    await assert.rejects(queue.put("two", { timeoutMs: 5 }), QueueFull);
    await assert.rejects(queue.get({ timeoutMs: -1 }), RangeError);
  });

  it("takes nothing more after shutdown, and gives what is left", async () => {
    const queue = await bus.queue({ codec: "utf8" });
    await queue.putMany(["a", "b"]);
    await queue.shutdown();
    await assert.rejects(queue.put("c"), QueueShutDown);
    assert.deepEqual(await queue.getMany(9), ["a", "b"]);
    await assert.rejects(queue.get(), QueueShutDown);
  });

  it("puts many in runs that it can hold, and tells how many are in it", async () => {
    const queue = await bus.queue({ codec: "utf8", maxItems: 2 });
    let put = 0;
    const items = ["a", "b", "c", "d", "e"];
    const putting = queue.putMany(items, { timeoutMs: 100, onPut: (n) => (put += n) });
    await until(() => stored(queue.name).items.length === 2, 5000);
    assert.deepEqual(await queue.getMany(2), ["a", "b"]);
    await assert.rejects(putting, QueueFull);
    assert.equal(put, 4);
    assert.deepEqual(stored(queue.name).texts, ["c", "d"]);
  });

  it("stores an item once when the answer to its put is lost", async () => {
    const queue = await bus.queue({ codec: "utf8" });
    daemon.loseAnswer("Put");
    await queue.put("once", { timeoutMs: 5000 });
    assert.deepEqual(stored(queue.name).texts, ["once"]);
    assert.equal(daemon.calls.get("Put"), 2);
  });

  it("does not repeat a get whose answer is lost, for that would lose a second item", async () => {
    const queue = await bus.queue({ codec: "utf8" });
    await queue.putMany(["a", "b"]);
    daemon.loseAnswer("Get");
    await assert.rejects(queue.get(), UnavailableError);
    assert.deepEqual(stored(queue.name).texts, ["b"]);
  });

  it("gives up an aborted get in-band, and loses nothing", async () => {
    const queue = await bus.queue({ codec: "utf8" });
    const aborting = new AbortController();
    const getting = queue.get({ signal: aborting.signal });
    await waiting(1);
    const reason = new Error("enough");
    aborting.abort(reason);
    await assert.rejects(getting, reason);
    await queue.put("next");
    assert.equal(await queue.get(), "next");
  });

  it("returns the item that came before the abort did", async () => {
    const queue = await bus.queue({ codec: "utf8" });
    for (let round = 0; round < 50; round++) {
      const aborting = new AbortController();
      const getting = queue.get({ signal: aborting.signal });
      await waiting(1);
      const putting = queue.put("won");
      aborting.abort(new Error("enough"));
      const got = await getting.then(
        (item) => [item],
        () => [],
      );
      await putting;
      const left = stored(queue.name).items.splice(0).length;
      assert.equal(got.length + left, 1, `round ${round}: neither lost nor doubled`);
    }
  });

  it("gives up an aborted put in-band, with nothing stored", async () => {
    const queue = await bus.queue({ codec: "utf8", maxItems: 1 });
    await queue.put("first");
    const aborting = new AbortController();
    const putting = queue.put("second", { signal: aborting.signal });
    await waiting(1);
    const reason = new Error("enough");
    aborting.abort(reason);
    await assert.rejects(putting, reason);
    assert.deepEqual(stored(queue.name).texts, ["first"]);
  });

  it("ends the waits of a handle that is closed, however many, without a word on stderr", async () => {
    const warnings: Error[] = [];
    const warn = (warning: Error): void => void warnings.push(warning);
    process.on("warning", warn);
    const queue = await bus.queue({ codec: "utf8" });
    const getting = Promise.allSettled(Array.from({ length: 20 }, () => queue.get()));
    await waiting(20);
    queue.close();
    for (const result of await getting) {
      assert.ok(result.status === "rejected");
      assert.ok(result.reason instanceof ForkbusError && result.reason.code === "CANCELLED");
    }
    process.off("warning", warn);
    assert.deepEqual(warnings, []);
  });
});

describe("Iterating over a queue", () => {
  let daemon: FakeDaemon;
  let bus: Client;

  beforeEach(async () => {
    daemon = await FakeDaemon.start();
    bus = await connect(daemon.address, { reconnectMs: 5000 });
  });

  afterEach(async () => {
    bus.close();
    await daemon[Symbol.asyncDispose]();
  });

  const items = Array.from({ length: 200 }, (_, index) => String(index));
  const consumers = (name: string) => [...daemon.queues.queue(name).consumers];

  it("yields all in order, and ends when it is shut down and drained", async () => {
    const queue = await bus.queue({ codec: "utf8" });
    await queue.putMany(items);
    await queue.shutdown();
    const seen: string[] = [];
    for await (const item of queue) seen.push(item);
    assert.deepEqual(seen, items);
  });

  it("takes what it shows and never more than 32 ahead", async () => {
    const queue = await bus.queue({ codec: "utf8" });
    await queue.putMany(items);
    await queue.shutdown();
    let seen = 0;
    for await (const _ of queue) {
      seen++;
      const { items: ready, untaken } = daemon.queues.queue(queue.name);
      const taken = items.length - ready.length - untaken;
      assert.ok(taken >= seen && taken - seen < 32, `${taken} taken when ${seen} were seen`);
    }
    assert.equal(seen, items.length);
  });

  it("loses nothing when the loop is left: the rest is in the queue or comes next", async () => {
    const queue = await bus.queue({ codec: "utf8" });
    await queue.putMany(items);
    const seen: string[] = [];
    for (let part = 0; part < 4; part++) {
      let count = 0;
      for await (const item of queue) {
        seen.push(item);
        if (++count === 40) break;
      }
      await until(() => consumers(queue.name).length === 0, 5000);
      seen.push(await queue.get());
    }
    await queue.shutdown();
    for await (const item of queue) seen.push(item);
    assert.deepEqual(seen, items);
  });

  it("goes on with a new stream when the daemon ends it, and shows nothing that was not taken", async () => {
    const queue = await bus.queue({ codec: "utf8" });
    await queue.putMany(items);
    await queue.shutdown();
    const seen: string[] = [];
    for await (const item of queue) {
      seen.push(item);
      if (seen.length !== 1) continue;
      daemon.queues.goingAway = true;
      await until(() => consumers(queue.name).length === 0, 5000);
      daemon.queues.goingAway = false;
    }
    assert.deepEqual(seen, items);
    assert.ok((daemon.calls.get("Consume") ?? 0) >= 2);
  });

  it("stops when the signal aborts, and what was not taken is ready again", async () => {
    const queue = await bus.queue({ codec: "utf8" });
    await queue.putMany(["a", "b"]);
    const aborting = new AbortController();
    const reason = new Error("enough");
    const seen: string[] = [];
    const loop = async (): Promise<void> => {
      for await (const item of queue.items({ signal: aborting.signal })) {
        seen.push(item);
        aborting.abort(reason);
      }
    };
    await assert.rejects(loop(), reason);
    await until(() => consumers(queue.name).length === 0, 5000);
    assert.deepEqual([...seen, await queue.get()], ["a", "b"]);
  });

  it("throws when the queue is deleted", async () => {
    const queue = await bus.queue({ codec: "utf8" });
    const next = queue.items().next();
    await until(() => consumers(queue.name).length === 1, 5000);
    await queue.delete();
    await assert.rejects(next, { name: "NotFoundError", reason: "QUEUE_DELETED" });
  });

  it("throws when the daemon came back without the queue", async () => {
    const queue = await bus.queue({ codec: "utf8" });
    const next = queue.items().next();
    await until(() => consumers(queue.name).length === 1, 5000);
    daemon.kill();
    await daemon.listen();
    await assert.rejects(next, { name: "NotFoundError", reason: "QUEUE_NOT_FOUND" });
  });
});

describe("Batches of a queue", () => {
  it("have all items in order, as many as there are and at most so many, and end with the queue", async () => {
    await using daemon = await FakeDaemon.start();
    await using bus = await connect(daemon.address);
    const queue = await bus.queue({ codec: "utf8" });
    const items = Array.from({ length: 500 }, (_, index) => String(index));
    await queue.putMany(items);
    await queue.shutdown();
    const seen: string[][] = [];
    for await (const batch of queue.batches({ maxItems: 100 })) seen.push(batch);
    assert.deepEqual(seen.flat(), items);
    assert.ok(seen.every(({ length }) => length >= 1 && length <= 100));
    assert.ok(seen.length < 50, `${seen.length} batches`);
    await assert.rejects(queue.batches({ maxItems: 0 }).next(), RangeError);
  });

  it("go back when the loop is left", async () => {
    await using daemon = await FakeDaemon.start();
    await using bus = await connect(daemon.address);
    const queue = await bus.queue({ codec: "utf8" });
    await queue.putMany(["a", "b", "c"]);
    for await (const batch of queue.batches({ maxItems: 1 })) {
      assert.deepEqual(batch, ["a"]);
      break;
    }
    assert.deepEqual(await queue.getMany(9), ["b", "c"]);
  });
});
