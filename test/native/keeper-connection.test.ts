import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { connect } from "node:net";
import { constants } from "node:os";
import { join } from "node:path";
import { KeeperClient, KeeperError, newId } from "./support/keeper-client.js";
import { build, isAlive, KeeperProcess, processState } from "./support/keeper-process.js";
import { waitUntil } from "./support/wait-until.js";
import { encodeFrame, Tag, Type, u32 } from "./support/wire.js";

const { errno } = constants;
const failsWith = (code: number) => (error: unknown) =>
  error instanceof KeeperError && error.errno === code;
const ESHUTDOWN = 108; // Node has no name for it
const sleeper = ["/bin/sleep", "60"];

describe("the keeper's connection", function () {
  this.timeout(30_000);
  let keeper: KeeperProcess;
  beforeEach(async () => {
    keeper = await KeeperProcess.start();
  });
  afterEach(async () => {
    await keeper[Symbol.asyncDispose]();
  });

  it("welcomes with what the daemon needs to know who it talks to", async () => {
    using client = new KeeperClient(keeper.socketPath);
    const welcome = await client.hello(1, 7);
    assert.deepEqual([welcome.u32(Tag.versionMin), welcome.u32(Tag.versionMax)], [1, 1]);
    assert.equal(welcome.u32(Tag.pid), keeper.pid);
    const stat = readFileSync(`/proc/${keeper.pid}/stat`, "utf8").split(" ");
    assert.equal(welcome.u64(Tag.startTicks), BigInt(stat[21] ?? 0));
    assert.equal(
      welcome.text(Tag.bootId),
      readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(),
    );
    assert.equal(
      welcome.u64(Tag.pidNamespace),
      statSync("/proc/self/ns/pid", { bigint: true }).ino,
    );
    assert.equal(welcome.bytes(Tag.instance).length, 16);
    assert.equal(welcome.u32(Tag.maxWorkers), 16_384);
    assert.equal(welcome.text(Tag.directory), keeper.directory);
    assert.match(welcome.text(Tag.keeperVersion), /^\d+\.\d+\.\d+/);
    assert.equal(welcome.has(Tag.cgroup), (welcome.u32(Tag.features) & 1) === 1);
  });

  it("refuses versions that do not meet, and closes", async () => {
    using client = new KeeperClient(keeper.socketPath);
    await assert.rejects(client.hello(2, 9), failsWith(errno.EPROTONOSUPPORT));
    await waitUntil("the close", () => client.closed);
    using next = await keeper.connect();
    assert.deepEqual(await next.list(), []);
  });

  it("closes on whoever does not greet first, or in time", async () => {
    using rude = new KeeperClient(keeper.socketPath);
    rude.send(Type.list);
    await waitUntil("the close", () => rude.closed);
    using silent = new KeeperClient(keeper.socketPath);
    const before = performance.now();
    await waitUntil("the close", () => silent.closed);
    assert.ok(performance.now() - before > 4000);
  });

  it("answers what it does not know, and skips fields that it does not know", async () => {
    using client = await keeper.connect();
    await assert.rejects(client.ask(77), failsWith(errno.ENOSYS));
    await assert.rejects(client.ask(Type.ackExit), failsWith(errno.EINVAL));
    await assert.rejects(
      client.ask(Type.signal, [[Tag.id, Buffer.alloc(3)]]),
      failsWith(errno.EINVAL),
    );
    await assert.rejects(client.ask(Type.scanLogs, [[Tag.id, newId()]]), failsWith(errno.ESRCH));
    await client.spawned({ argv: ["/bin/true"], more: [[999, Buffer.from("later")]] });
  });

  it("closes on frames whose lengths lie, and serves the next", async () => {
    const hello = encodeFrame(Type.hello, 1, [u32(Tag.versionMin, 1), u32(Tag.versionMax, 1)]);
    const lies = [
      Buffer.from([4, 0, 0, 0, 1, 0, 0, 0]),
      Buffer.from([255, 255, 255, 255, 1, 0, 0, 0]),
      Buffer.concat([
        hello.subarray(0, 12),
        Buffer.from([2, 0, 0, 0, 200, 0, 0, 0]),
        hello.subarray(20),
      ]),
      Buffer.concat([hello, Buffer.from("garbage that is long enough to be read as a frame")]),
    ];
    for (const bytes of lies) {
      const socket = connect(keeper.socketPath);
      let closed = false;
      socket.on("close", () => (closed = true)).on("error", () => undefined);
      socket.on("data", () => undefined);
      socket.write(bytes);
      await waitUntil("the close", () => closed);
    }
    using client = await keeper.connect();
    assert.deepEqual(await client.list(), []);
  });

  it("processes everything that a daemon sent before it died, before the next daemon is heard", async () => {
    const first = await keeper.connect();
    const ids = Array.from({ length: 300 }, () => newId());
    for (const id of ids) first.spawn({ id, argv: ["/bin/true"], flags: 12 });
    await waitUntil("the bytes to leave", () => first.socket.writableLength === 0);
    first.socket.destroy();
    using next = new KeeperClient(keeper.socketPath);
    await next.hello();
    assert.equal((await next.list()).length, 300);
  });

  it("takes one connection at a time", async () => {
    using first = await keeper.connect();
    using second = new KeeperClient(keeper.socketPath);
    second.send(Type.hello, [u32(Tag.versionMin, 1), u32(Tag.versionMax, 1)]);
    const { id } = await first.spawned({ argv: sleeper });
    assert.equal(second.frames.length, 0);
    await first.close();
    await waitUntil("its turn", () => second.frames.some((frame) => frame.type === Type.welcome));
    assert.deepEqual((await second.list())[0]?.bytes(Tag.id), id);
  });

  it("lists more workers than its buffer holds", async () => {
    using client = await keeper.connect();
    const ids = Array.from({ length: 1500 }, () =>
      client.spawn({ argv: ["/bin/true"], flags: 12 }),
    );
    for (const id of ids) await client.exited(id, 20_000);
    const listed = (await client.list()).map((worker) => worker.bytes(Tag.id).toString("hex"));
    assert.deepEqual(listed.sort(), ids.map((id) => id.toString("hex")).sort());
  });

  it("spends no memory on a daemon that never reads, and loses nothing", async () => {
    let started = 0;
    {
      using deaf = await keeper.connect();
      deaf.socket.pause();
      for (let i = 0; i < 1200; i++) deaf.spawn({ argv: ["/bin/true"], flags: 12 });
      for (let i = 0; i < 3000; i++) deaf.send(Type.list);
      await waitUntil(
        "workers to end",
        () =>
          keeper.children().length > 100 &&
          keeper.children().every((pid) => processState(pid) === "Z"),
      );
      const before = keeper.status("VmRSS");
      for (let i = 0; i < 3000; i++) deaf.send(Type.list);
      await new Promise((resolve) => setImmediate(resolve));
      assert.ok(
        keeper.status("VmRSS") <= Math.max(before, 2048) + 512,
        `${before} to ${keeper.status("VmRSS")} KiB, ${keeper.children().length}`,
      );
      started = keeper.children().length;
      deaf.socket.destroy();
    }
    using next = await keeper.connect();
    assert.ok((await next.list()).length >= started);
  });
});

function ignoresTerm(pid: number): boolean {
  const ignored = /^SigIgn:\t(\S+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0";
  return (BigInt(`0x${ignored}`) & 0x4000n) !== 0n;
}

describe("the keeper as a program", function () {
  this.timeout(40_000);

  it("explains bad usage in one sentence and exits 64", () => {
    const bad = [
      [],
      ["--socket", "/tmp/x"],
      ["--socket", "x", "--dir", "/tmp/y"],
      ["--nonsense"],
      ["--socket", "/tmp/x", "--dir", "/tmp/y", "--max-workers", "many"],
      ["--socket", "/tmp/x", "--dir", "/tmp/y", "extra"],
      ["--socket", `/tmp/${"x".repeat(200)}`, "--dir", "/tmp/y"],
    ];
    for (const args of bad) {
      const { status, stderr } = spawnSync(build("all"), args);
      assert.equal(status, 64, args.join(" "));
      assert.match(stderr.toString(), /^forkbus-keeper: [^\n]+\n$/);
    }
    assert.match(
      spawnSync(build("all"), ["--version"]).stdout.toString(),
      /^forkbus-keeper \d+\.\d+\.\d+ \(protocol 1\)\n$/,
    );
    assert.match(spawnSync(build("all"), ["--help"]).stdout.toString(), /^Usage: /);
  });

  it("refuses a second keeper, naming the first, and replaces a dead one's socket", async () => {
    await using first = await KeeperProcess.start();
    const place = join(first.directory, "..");
    await assert.rejects(
      KeeperProcess.start({ directory: place }),
      new RegExp(`another keeper, pid ${first.pid}`),
    );
    assert.equal(
      spawnSync(build("all"), ["--socket", first.socketPath, "--dir", first.directory]).status,
      75,
    );
    first.child.kill("SIGKILL");
    await first.exit();
    await using second = await KeeperProcess.start({ directory: place });
    using client = await second.connect();
    assert.deepEqual(await client.list(), []);
  });

  it("is small", async () => {
    await using keeper = await KeeperProcess.start();
    assert.ok(keeper.status("VmRSS") <= 2048, `${keeper.status("VmRSS")} KiB`);
    assert.equal(keeper.status("Threads"), 1);
  });

  it("exits when idle, but not while a daemon or a worker is there", async () => {
    await using keeper = await KeeperProcess.start({ args: ["--exit-when-idle", "1"] });
    let id: Buffer;
    {
      using client = await keeper.connect();
      ({ id } = await client.spawned({ argv: ["/bin/sleep", "1.5"] }));
    }
    await waitUntil("the worker's end", () =>
      keeper.children().every((pid) => processState(pid) === "Z"),
    );
    using client = await keeper.connect();
    await client.acknowledge(id);
    await client.close();
    assert.equal(await keeper.exit(), 0);
    assert.equal(existsSync(keeper.socketPath), false);
    const group = /cgroups (\/\S+)/.exec(keeper.stderr)?.[1];
    if (group !== undefined) assert.equal(existsSync(group), false, "no cgroup stays behind");
  });

  it("shuts down on request only when nothing is left to keep", async () => {
    await using keeper = await KeeperProcess.start();
    using client = await keeper.connect();
    const { id } = await client.spawned({ argv: ["/bin/true"] });
    await client.exited(id);
    await assert.rejects(client.ask(Type.shutdown), failsWith(errno.EBUSY));
    await client.acknowledge(id);
    await client.ask(Type.shutdown);
    assert.equal(await keeper.exit(), 0);
  });

  it("ends its workers on SIGTERM, reports them, and exits 0 once they are gone", async () => {
    await using keeper = await KeeperProcess.start();
    using client = await keeper.connect();
    const polite = await client.spawned({ argv: sleeper });
    const deaf = await client.spawned({
      argv: ["/bin/sh", "-c", "trap '' TERM; sleep 60 & while :; do wait; done"],
    });
    await waitUntil("the trap", () => ignoresTerm(deaf.pid));
    keeper.child.kill("SIGTERM");
    assert.equal((await client.exited(polite.id)).u32(Tag.exitValue), 15);
    assert.deepEqual(await client.refused({ argv: sleeper }), [1, ESHUTDOWN]);
    assert.ok(isAlive(deaf.pid));
    keeper.child.kill("SIGTERM");
    assert.equal((await client.exited(deaf.id)).u32(Tag.exitValue), 9);
    await client.acknowledge(polite.id);
    assert.equal(await keeper.exit(), 0);
    assert.match(keeper.stderr, /1 exit records that nobody acknowledged are lost/);
    const group = /cgroups (\/\S+)/.exec(keeper.stderr)?.[1];
    if (group !== undefined) assert.equal(existsSync(group), false, "no leaf stays behind");
  });

  it("starts workers that ignore nothing, also where it was started with signals ignored", async () => {
    const ignoring = "trap '' HUP INT QUIT USR1; exec \"$@\"";
    const before = ["-c", ignoring, "sh", build("all")];
    await using keeper = await KeeperProcess.start({ program: "/bin/sh", before });
    using client = await keeper.connect();
    const { pid } = await client.spawned({ argv: ["/bin/sleep", "60"] });
    assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), /^SigIgn:\t0{16}$/m);
  });

  it("exits at once on SIGTERM when it has no workers", async () => {
    await using keeper = await KeeperProcess.start();
    keeper.child.kill("SIGTERM");
    assert.equal(await keeper.exit(1000), 0);
  });

  it("kills by itself what does not end within ten seconds of SIGTERM", async () => {
    await using keeper = await KeeperProcess.start();
    {
      using client = await keeper.connect();
      const { pid } = await client.spawned({
        argv: ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"],
      });
      await waitUntil("the trap", () => ignoresTerm(pid));
    }
    keeper.child.kill("SIGTERM");
    assert.equal(await keeper.exit(14_000), 0);
  });
});
