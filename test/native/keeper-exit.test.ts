import assert from "node:assert/strict";
import { existsSync, mkdirSync, rmdirSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { KeeperClient, KeeperError, newId } from "./support/keeper-client.js";
import { isAlive, KeeperProcess, processState } from "./support/keeper-process.js";
import { waitUntil } from "./support/wait-until.js";
import { type Frame, Tag, Type } from "./support/wire.js";

const { errno } = constants;
const WAIT_TREE = 16;
const sleeper = ["/bin/sleep", "60"];
const shell = (script: string): string[] => ["/bin/sh", "-c", script];

const failsWith = (code: number) => (error: unknown) =>
  error instanceof KeeperError && error.errno === code;

const how = (frame: Frame): [kind: number, value: number] => [
  frame.u32(Tag.exitCodeKind),
  frame.u32(Tag.exitValue),
];

/** Waits for a pid that a worker prints to its log. */
function printedPid(keeper: KeeperProcess, id: Buffer): Promise<number> {
  return waitUntil("a printed pid", () => {
    const line = /^(\d+)\n/.exec(keeper.log(id));
    return line === null ? undefined : Number(line[1]);
  });
}

describe("the keeper's record of an exit", function () {
  this.timeout(30_000);
  let keeper: KeeperProcess;
  let client: KeeperClient;
  beforeEach(async () => {
    keeper = await KeeperProcess.start();
    client = await keeper.connect();
  });
  afterEach(async () => {
    client[Symbol.dispose]();
    await keeper[Symbol.asyncDispose]();
  });

  it("is true for codes and signals", async () => {
    const ids = new Map<Buffer, [number, number]>();
    for (const code of [0, 1, 2, 42, 126, 127, 128, 137, 254, 255]) {
      ids.set(client.spawn({ argv: shell(`exit ${code}`) }), [1, code]);
    }
    for (const signal of [1, 2, 9, 15])
      ids.set(client.spawn({ argv: shell(`kill -${signal} $$`) }), [2, signal]);
    for (const [id, expected] of ids) assert.deepEqual(how(await client.exited(id)), expected);
  });

  it("comes after SPAWNED, once, with usage and times, and keeps the zombie until it is acknowledged", async () => {
    const { id, pid } = await client.spawned({
      argv: shell("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"),
    });
    const end = await client.exited(id);
    assert.equal(end.u32(Tag.pid), pid);
    assert.equal(end.u32(Tag.tree), 0);
    assert.equal(end.u32(Tag.exitSource), 1);
    const usage = end.bytes(Tag.usage);
    assert.equal(usage.length, 56);
    assert.ok(usage.readBigUInt64LE(0) + usage.readBigUInt64LE(8) > 0n, "it used a processor");
    const rss = usage.readBigUInt64LE(16);
    assert.ok(rss > 100_000n && rss < 100_000_000n);
    const spawned = client.frames.findIndex(
      (f) => f.type === Type.spawned && f.bytes(Tag.id).equals(id),
    );
    const exits = client.frames.filter((f) => f.type === Type.exited);
    assert.ok(spawned < client.frames.indexOf(end) && exits.length === 1);
    assert.equal(processState(pid), "Z");
    await client.acknowledge(id);
    assert.equal(processState(pid), undefined);
    await assert.rejects(client.acknowledge(id), failsWith(errno.ESRCH));
    assert.equal((await client.list()).length, 0);
  });

  it("is not lost when the daemon vanishes: the next one's LIST holds it", async () => {
    const first = client.spawn({ argv: shell("exit 3") });
    const second = (await client.spawned({ argv: sleeper })).id;
    const third = (await client.spawned({ argv: sleeper })).id;
    await client.exited(first);
    client.socket.destroy();
    await waitUntil("the end", () => client.closed);
    using late = await keeper.connect();
    await late.signal(third, 15);
    late.socket.destroy();
    using next = await keeper.connect();
    const workers = new Map((await next.list()).map((w) => [w.bytes(Tag.id).toString("hex"), w]));
    assert.equal(workers.size, 3);
    const at = (id: Buffer): Frame => workers.get(id.toString("hex")) ?? assert.fail("not listed");
    assert.equal(at(first).u32(Tag.state), 3);
    assert.deepEqual(how(at(first)), [1, 3]);
    assert.equal(at(second).u32(Tag.state), 2);
    await waitUntil("the third's end", () => {
      const told = next.frames.find(
        (f) =>
          [Type.exited, Type.worker].some((t) => t === f.type) &&
          f.bytes(Tag.id).equals(third) &&
          f.has(Tag.exitValue),
      );
      return told !== undefined && how(told)[1] === 15;
    });
    assert.equal(
      next.frames.filter((f) => f.request === 0 && f.bytes(Tag.id).equals(first)).length,
      0,
    );
    await next.acknowledge(first);
  });

  it("says nothing between HELLO and LIST", async () => {
    const { id } = await client.spawned({ argv: shell("sleep 60") });
    await client.close();
    using next = new KeeperClient(keeper.socketPath);
    await next.hello();
    await next.signal(id, 9);
    await waitUntil("a zombie", () => keeper.children().some((pid) => processState(pid) === "Z"));
    await assert.rejects(next.acknowledge(newId()), failsWith(errno.ESRCH));
    assert.deepEqual(
      next.frames.filter((f) => f.request === 0),
      [],
    );
    const [worker] = await next.list();
    assert.deepEqual(worker === undefined ? [] : how(worker), [2, 9]);
  });

  it("refuses to acknowledge what still runs", async () => {
    const { id } = await client.spawned({ argv: sleeper });
    await assert.rejects(client.acknowledge(id), failsWith(errno.EBUSY));
  });

  it("costs nothing once acknowledged: 2 000 quick exits leave no descriptor and no memory", async () => {
    const round = async (n: number): Promise<void> => {
      const ids = Array.from({ length: n }, () => client.spawn({ argv: ["/bin/true"], flags: 12 }));
      for (const id of ids) await client.exited(id, 20_000);
      await Promise.all(ids.map((id) => client.acknowledge(id)));
      await Promise.all(ids.map((id) => client.ask(Type.remove, [[Tag.id, id]])));
      client.frames.length = 0;
    };
    await round(100);
    const descriptors = keeper.descriptors();
    for (let i = 0; i < 19; i++) await round(100);
    assert.equal(keeper.descriptors(), descriptors);
    assert.deepEqual(keeper.children(), []);
    assert.ok(keeper.status("VmRSS") <= 2048, `${keeper.status("VmRSS")} KiB`);
  });
});

for (const cgroup of ["auto", "none"]) {
  describe(`the keeper and a worker's tree, cgroups ${cgroup}`, function () {
    this.timeout(30_000);
    let keeper: KeeperProcess;
    let client: KeeperClient;
    beforeEach(async () => {
      keeper = await KeeperProcess.start({ args: ["--cgroup", cgroup] });
      client = await keeper.connect();
    });
    afterEach(async () => {
      client[Symbol.dispose]();
      await keeper[Symbol.asyncDispose]();
    });
    const escapes = "(setsid sh -c 'sh -c \"echo \\$\\$; exec sleep 60\" & exit 0' &)";

    it("signals the worker alone, or the tree", async () => {
      const { id } = await client.spawned({ argv: shell("sleep 60 & echo $!; wait") });
      const inner = await printedPid(keeper, id);
      await client.signal(id, 19, 1);
      await waitUntil("the tree to stop", () => processState(inner) === "T");
      await client.signal(id, 18, 1);
      await waitUntil("the tree to go on", () => processState(inner) === "S");
      await client.signal(id, 10);
      assert.deepEqual(how(await client.exited(id)), [2, 10]);
      await waitUntil("the rest's end", () => !isAlive(inner));
      await waitUntil("TREE_GONE or none", () =>
        client.frames.some(
          (f) =>
            (f.type === Type.treeGone || f.type === Type.exited) &&
            (f.type === Type.treeGone || f.u32(Tag.tree) === 0),
        ),
      );
      await assert.rejects(client.signal(id, 9), failsWith(errno.ESRCH));
      await assert.rejects(client.signal(id, 9, 1), failsWith(errno.ESRCH));
      await assert.rejects(client.signal(newId(), 9), failsWith(errno.ESRCH));
      await assert.rejects(client.signal(id, 99), failsWith(errno.EINVAL));
    });

    it("kills what the worker leaves when it exits, even in another session and re-parented", async () => {
      const { id } = await client.spawned({ argv: shell(`${escapes}; sleep 0.1; exit 5`) });
      const escaped = await printedPid(keeper, id);
      assert.deepEqual(how(await client.exited(id)), [1, 5]);
      await waitUntil("the escaped one's end", () => !isAlive(escaped));
      await client.acknowledge(id);
      await waitUntil("no child", () => keeper.children().length === 0);
    });

    it("kills a whole tree on request", async () => {
      const { id } = await client.spawned({
        argv: shell(`${escapes}; sh -c 'sleep 60 & wait' & wait; sleep 60`),
      });
      const escaped = await printedPid(keeper, id);
      await client.signal(id, 9, 1);
      assert.deepEqual(how(await client.exited(id)), [2, 9]);
      await waitUntil("the escaped one's end", () => !isAlive(escaped));
      await client.acknowledge(id);
      await waitUntil("no child", () => keeper.children().length === 0);
    });

    it("finds the tree of a worker by a variable behind a megabyte of others", async () => {
      const { id } = await client.spawned({
        argv: shell(`${escapes}; sleep 0.1; exit 5`),
        env: [
          "PATH=/usr/bin:/bin",
          ...Array.from({ length: 12 }, (_, i) => `BIG${i}=${"x".repeat(100_000 + i)}`),
        ],
      });
      const escaped = await printedPid(keeper, id);
      await client.exited(id);
      await waitUntil("the escaped one's end", () => !isAlive(escaped));
    });

    it("waits for the tree when told so", async () => {
      const { id } = await client.spawned({
        argv: shell("sleep 60 & echo $!; exit 4"),
        flags: WAIT_TREE,
      });
      const inner = await printedPid(keeper, id);
      const end = await client.exited(id);
      assert.deepEqual(how(end), [1, 4]);
      assert.equal(end.u32(Tag.tree), 1);
      assert.ok(isAlive(inner));
      await assert.rejects(client.acknowledge(id), failsWith(errno.EBUSY));
      assert.equal((await client.list())[0]?.u32(Tag.tree), 1);
      await client.signal(id, 15, 1);
      await client.notice(Type.treeGone, id);
      assert.equal(isAlive(inner), false);
      await client.acknowledge(id);
    });

    it("lets a tree that is waited for end by itself", async () => {
      const { id } = await client.spawned({ argv: shell("sleep 0.3 & exit 0"), flags: WAIT_TREE });
      await client.notice(Type.treeGone, id);
      await client.acknowledge(id);
    });

    it("does not touch another worker's children", async () => {
      const other = await client.spawned({ argv: shell("(setsid sleep 60 & echo $!) ; sleep 60") });
      const inner = await printedPid(keeper, other.id);
      const { id } = await client.spawned({ argv: shell(`${escapes}; exit 0`) });
      await client.exited(id);
      await client.acknowledge(id);
      await waitUntil("two children at most", () => keeper.children().length <= 2);
      assert.ok(isAlive(inner) && isAlive(other.pid));
    });

    it("reaps orphans that it inherits, so that no zombies pile up", async () => {
      const script = "for i in 1 2 3 4 5 6 7 8; do (setsid sleep 0.05 &) ; done; sleep 60";
      const { id, pid } = await client.spawned({ argv: shell(script) });
      await waitUntil("orphans", () => keeper.children().length > 1 || undefined, 2000).catch(
        () => undefined,
      );
      await waitUntil("only the worker", () => keeper.children().every((child) => child === pid));
      await client.signal(id, 9, 1);
      await client.exited(id);
    });
  });
}

describe("a leaf of a worker that cannot be removed", function () {
  this.timeout(100_000);

  it("is tried ever more rarely, and given up after a minute", async function () {
    if (process.env["FORKBUS_SOAK"] === undefined) this.skip();
    await using keeper = await KeeperProcess.start();
    using client = await keeper.connect();
    const { id, frame } = await client.spawned({ argv: sleeper });
    if (!frame.has(Tag.cgroup)) this.skip();
    const levels = Array.from({ length: 12 }, (_, i) => String(i));
    const leaf = frame.text(Tag.cgroup);
    mkdirSync(join(leaf, ...levels), { recursive: true });
    try {
      await client.signal(id, 9);
      await client.exited(id);
      await client.acknowledge(id);
      const before = keeper.status("voluntary_ctxt_switches");
      await waitUntil("the end of its patience", () => keeper.stderr.includes("gave up"), 70_000);
      const wakeups = keeper.status("voluntary_ctxt_switches") - before;
      assert.ok(wakeups < 300, `${wakeups} wakeups`);
      assert.match(keeper.stderr, new RegExp(`gave up the cgroup of ${id.toString("hex")}`));
    } finally {
      for (let depth = levels.length; depth >= 0; depth--) {
        const path = join(leaf, ...levels.slice(0, depth));
        if (existsSync(path)) rmdirSync(path);
      }
    }
    await client.ask(Type.shutdown);
    assert.equal(await keeper.exit(), 0);
  });
});
