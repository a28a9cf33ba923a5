import assert from "node:assert/strict";
import { DomainError } from "../../../server/core/errors.js";
import { PutMemory } from "../../../server/queues/put-memory.js";
import { parseQueueSpec } from "../../../server/queues/queue-spec.js";
import { anything, aTable, credit, isPending, items, take, zeros } from "./fixture.js";

const code = (expected: string) => (error: unknown) =>
  error instanceof DomainError && error.code === expected;

describe("the queue table", () => {
  it("makes a queue once, and says when another spec has the name", () => {
    const { table, create } = aTable();
    const first = create("q", { maxItems: 3 });
    assert.equal(first.created, true);
    const again = create("q", { maxItems: 3 });
    assert.equal(again.created, false);
    assert.equal(again.queue.uid, first.queue.uid);
    assert.throws(() => create("q", { maxItems: 4 }), code("queue-exists"));
    const labels = new Map([["a", "b"]]);
    const spec = parseQueueSpec({ maxItems: 3 });
    assert.throws(
      () => table.create({ name: "q", owner: "uid:1", labels, spec }),
      code("queue-exists"),
    );
  });

  it("makes names that are free", () => {
    const { table } = aTable();
    const request = { name: undefined, owner: "o", labels: new Map(), spec: parseQueueSpec({}) };
    const names = [table.create(request), table.create(request)].map(({ queue }) => queue.name);
    assert.equal(new Set(names).size, 2);
  });

  it("lists by name, page after page, with prefix and labels", () => {
    const { table, create } = aTable();
    for (const name of ["b", "a/2", "c", "a/1", "a/3", "a-0"]) create(name);
    table.create({
      name: "a/9",
      owner: "o",
      labels: new Map([["team", "x"]]),
      spec: parseQueueSpec({}),
    });
    const list = (
      prefix: string,
      after: string,
      pageSize: number,
      labels = new Map<string, string>(),
    ) => {
      const { items, lastName } = table.list({ prefix, labels, after, pageSize });
      return [items.map(({ name }) => name), lastName];
    };
    assert.deepEqual(list("a/", "", 2), [["a/1", "a/2"], "a/2"]);
    assert.deepEqual(list("a/", "a/2", 2), [["a/3", "a/9"], null]);
    assert.deepEqual(list("", "", 9, new Map([["team", "x"]])), [["a/9"], null]);
    table.delete("a/2");
    assert.deepEqual(list("", "a/1", 9), [["a/3", "a/9", "b", "c"], null]);
  });

  it("deletes only the queue that is meant", async () => {
    const { table, create, put } = aTable();
    const { queue } = create("q");
    await put("q", items("a"));
    assert.throws(() => {
      table.delete("q", { uid: "other" });
    }, code("uid-mismatch"));
    assert.throws(() => {
      table.delete("q", { onlyIfEmpty: true });
    }, code("queue-not-empty"));
    table.delete("q", { uid: queue.uid });
    table.delete("q");
    assert.throws(() => table.view("q"), code("queue-not-found"));
    assert.equal(table.usedBytes, 0);
  });

  it("counts a revision for each change of state", async () => {
    const { table, create, put, get } = aTable();
    const { queue } = create("q");
    await put("q", items("a"));
    assert.equal(table.view("q").revision, queue.revision);
    const draining = table.shutdown("q", false).revision;
    assert.ok(draining > queue.revision);
    take(await get("q"));
    assert.ok(table.view("q").revision > draining);
  });

  it("has a limit of queues, and a limit of memory for all of them", async () => {
    const { create, put } = aTable({ maxQueues: 2, maxTotalBytes: 1000 });
    create("a");
    create("b");
    assert.throws(() => create("c"), code("host-exhausted"));
    await put("a", zeros(400));
    await assert.rejects(put("b", zeros(400)), code("host-exhausted"));
  });

  it("wakes everyone when the daemon stops, and is empty-handed after", async () => {
    const { table, create, put, get } = aTable();
    create("q", { maxItems: 1 });
    const getter = assert.rejects(get("q"), code("draining"));
    const options = { limits: anything, credit: credit(1), totalLimit: Infinity };
    const { subscription } = table.subscribe("q", "uid:1", options, 1);
    const step = subscription.next();
    table.stop();
    await getter;
    assert.deepEqual(await step, { kind: "end", end: "stopping" });
    await assert.rejects(put("q", items("a")), code("draining"));
  });
});

describe("a put with a request id", () => {
  it("is stored once however often it is repeated", async () => {
    const { table, create, put } = aTable();
    create("q");
    assert.equal(await put("q", items("a"), { id: "x" }), 1);
    assert.equal(await put("q", items("b"), { id: "y" }), 2);
    assert.equal(await put("q", items("a"), { id: "x" }), 1);
    assert.equal(table.view("q").counts.put, 2);
    assert.equal(await put("q", items("a"), { id: "x", caller: "uid:2" }), 3);
  });

  it("refuses the id for other items or another queue", async () => {
    const { table, create, put } = aTable();
    create("q");
    create("r");
    await put("q", items("a"), { id: "x", digest: "1" });
    await assert.rejects(put("q", items("b"), { id: "x", digest: "2" }), code("request-id-reused"));
    await assert.rejects(put("r", items("a"), { id: "x", digest: "1" }), code("request-id-reused"));
    table.delete("q");
    create("q");
    assert.equal(await put("q", items("a"), { id: "x", digest: "1" }), 1);
    assert.equal(table.view("q").counts.put, 1);
  });

  it("is remembered for a minute, and failures not at all", async () => {
    const { clock, create, put, get } = aTable();
    create("q", { maxItems: 1 });
    await put("q", items("a"), { id: "x" });
    await assert.rejects(put("q", items("b"), { id: "y", waitMs: 0 }), code("queue-full"));
    take(await get("q"));
    assert.equal(await put("q", items("b"), { id: "y" }), 2);
    take(await get("q"));
    await clock.advance(PutMemory.rememberMs - 1);
    assert.equal(await put("q", items("a"), { id: "x" }), 1);
    await clock.advance(1);
    assert.equal(await put("q", items("a"), { id: "x" }), 3);
  });

  it("is forgotten after so many others", async () => {
    const { table, create, put } = aTable();
    create("q");
    for (let index = 0; index <= PutMemory.rememberAtMost; index++) {
      await put("q", items("a"), { id: `id-${index}` });
    }
    const { put: before } = table.view("q").counts;
    await put("q", items("a"), { id: "id-1" });
    assert.equal(table.view("q").counts.put, before, "the second is remembered");
    await put("q", items("a"), { id: "id-0" });
    assert.equal(table.view("q").counts.put, before + 1, "the first is not");
  });

  it("shares the wait of the call that it repeats, also when that one goes", async () => {
    const { table, create, put, get } = aTable();
    create("q", { maxItems: 1 });
    await put("q", items("a"));
    const leaving = new AbortController();
    const first = put("q", items("b"), { id: "x", signal: leaving.signal });
    const staying = new AbortController();
    const second = put("q", items("b"), { id: "x", signal: staying.signal });
    leaving.abort(new Error("gone"));
    await assert.rejects(first, /gone/);
    take(await get("q"));
    assert.equal(await second, 2);
    assert.equal(table.view("q").counts.put, 2);
  });

  it("is given up when the last of its callers goes", async () => {
    const { table, create, put } = aTable();
    create("q", { maxItems: 1 });
    await put("q", items("a"));
    const leaving = new AbortController();
    const calls = [1, 2].map(() => put("q", items("b"), { id: "x", signal: leaving.signal }));
    leaving.abort(new Error("gone"));
    for (const call of calls) await assert.rejects(call, /gone/);
    assert.equal(table.view("q").counts.waitingPuts, 0);
  });
});

describe("giving up a wait", () => {
  it("ends a get without items, and a put with nothing stored", async () => {
    const { table, create, put, get } = aTable();
    create("q", { maxItems: 1 });
    const getter = get("q", { id: "g" });
    assert.equal(table.cancelWait("uid:1", "g"), true);
    assert.deepEqual(await getter, { kind: "none", end: "cancelled", backlog: 0 });
    await put("q", items("a"));
    const putter = assert.rejects(put("q", items("b"), { id: "p" }), code("wait-cancelled"));
    assert.equal(table.cancelWait("uid:1", "p"), true);
    await putter;
    assert.equal(table.cancelWait("uid:1", "p"), false);
    assert.equal(table.view("q").counts.put, 1);
  });

  it("comes too late for what has been given already", async () => {
    const { table, create, put, get } = aTable();
    create("q");
    const getter = get("q", { id: "g" });
    const putter = put("q", items("a"));
    table.cancelWait("uid:1", "g");
    await putter;
    assert.deepEqual(take(await getter), ["a"]);
  });

  it("is for the caller's own calls, one at a time", async () => {
    const { table, create, put, get } = aTable();
    create("q");
    const getter = get("q", { id: "g" });
    assert.equal(table.cancelWait("uid:2", "g"), false);
    await assert.rejects(get("q", { id: "g" }), code("request-id-reused"));
    assert.ok(await isPending(getter));
    await put("q", items("a"));
    assert.deepEqual(take(await getter), ["a"]);
  });
});

describe("taking by subscription id", () => {
  it("is for whoever opened it, for as long as it is open", async () => {
    const { table, create, put } = aTable();
    create("q");
    await put("q", items("a", "b"));
    const options = { limits: anything, credit: credit(9), totalLimit: Infinity };
    const { id, subscription, ...rest } = table.subscribe("q", "uid:1", options, 9);
    await subscription.next();
    assert.throws(() => table.take("uid:2", id, 1), code("subscription-not-found"));
    assert.equal(table.take("uid:1", id, 1), 1);
    rest[Symbol.dispose]();
    assert.throws(() => table.take("uid:1", id, 2), code("subscription-not-found"));
    assert.equal(table.view("q").counts.ready, 1);
  });
});
