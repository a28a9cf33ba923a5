import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import {
  acts,
  bitmap,
  born,
  failure,
  fork,
  limit,
  moments,
  spawnLinked,
  specification,
  startForkServer,
} from "./support/fork-servers.js";
import { type KeeperClient, KeeperError, newId } from "./support/keeper-client.js";
import { build, KeeperProcess } from "./support/keeper-process.js";
import { waitUntil } from "./support/wait-until.js";
import { Flag, Step, Tag, Type } from "./support/wire.js";

const { errno } = constants;
const SIGKILL = 9;
const failsWith = (code: number) => (error: unknown) =>
  error instanceof KeeperError && error.errno === code;

describe("a language process that the keeper starts with a link", function () {
  this.timeout(60_000);
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

  it("has its link, its result file and its specification in place", async () => {
    const id = spawnLinked(client, {
      then: acts({ now: "L" }, { files: 1 }, { result: "done" }, { exit: 4 }),
    });
    const { frame } = await born(client, id);
    const first = await client.notice(Type.firstLine, id);
    const end = await client.exited(id);
    assert.equal(end.u32(Tag.exitValue), 4);
    const files: unknown = JSON.parse(keeper.log(id));
    assert.ok(typeof files === "object" && files !== null && "3" in files && "4" in files);
    assert.match(String(files[3]), /^socket:/);
    const result = join(keeper.directory, id.toString("hex"), "result");
    assert.equal(files[4], result);
    assert.equal(readFileSync(result, "utf8"), "done");
    const [ordered, asked, forked, go, specialised, line] = moments(first);
    assert.deepEqual([asked, forked, go], [0n, 0n, 0n]);
    assert.ok(ordered !== undefined && specialised !== undefined && line !== undefined);
    assert.ok(0n < ordered && ordered < specialised && specialised <= line);
    assert.equal(moments(frame)[5], 0n);
    const order = client.frames
      .filter((f) => f.request === 0 && f.bytes(Tag.id).equals(id))
      .map((f) => f.type);
    assert.deepEqual(order, [Type.spawned, Type.firstLine, Type.exited]);
    await client.acknowledge(id);
    await client.ask(Type.remove, [[Tag.id, id]]);
    assert.equal(existsSync(join(keeper.directory, id.toString("hex"))), false);
  });

  it("is given megabytes, and refused more than three or none", async () => {
    const mega = "x".repeat(3_000_000);
    const { id } = await born(client, spawnLinked(client, { mega, then: acts({ exit: 7 }) }));
    assert.equal((await client.exited(id)).u32(Tag.exitValue), 7);
    const huge = spawnLinked(client, { mega: "x".repeat((3 << 20) + 1) });
    assert.deepEqual(await failure(client, huge), [Step.request, errno.E2BIG]);
    const none = client.spawn({ argv: ["/bin/true"], flags: Flag.link });
    assert.deepEqual(await failure(client, none), [Step.request, errno.EINVAL]);
    await waitUntil("small memory again", () => keeper.status("VmRSS") <= 2048);
  });

  it("runs only once it says so: before, every end is a failed start", async () => {
    for (const [then, expected] of [
      [[{ exit: 0 }], [Step.specification, errno.EINTR]],
      [
        [{ close: 1 }, { sleep: 60 }],
        [Step.specification, errno.EINTR],
      ],
      [[{ error: [Step.cwd, errno.EACCES] }], [Step.cwd, errno.EACCES]],
      [[{ now: "B" }], [Step.specification, errno.EPROTO]],
    ] as const) {
      const id = spawnLinked(client, { then });
      assert.deepEqual(await failure(client, id), expected, JSON.stringify(then));
      assert.equal(existsSync(join(keeper.directory, id.toString("hex"))), false);
    }
    for (const [argv, expected] of [
      [["/nonexistent"], [Step.exec, errno.ENOENT]],
      [["/bin/true"], [Step.specification, errno.EINTR]],
    ] as const) {
      const id = client.spawn({ argv, flags: Flag.link, more: [specification({})] });
      assert.deepEqual(await failure(client, id), expected, argv[0]);
    }
    await waitUntil("no child", () => keeper.children().length === 0);
  });

  it("is ended by the deadline when it never says so", async () => {
    await using quick = await KeeperProcess.start({ args: ["--start-deadline-ms", "700"] });
    using own = await quick.connect();
    const id = spawnLinked(own, { then: [{ sleep: 60 }] });
    assert.deepEqual(await failure(own, id), [Step.specification, errno.ETIMEDOUT]);
    await waitUntil("no child", () => quick.children().length === 0);
  });

  it("serves forks from when it says so until it is told that it is enough", async () => {
    const { id } = await born(
      client,
      spawnLinked(client, { then: acts({ serve: 1 }, { sleep: 60 }) }),
    );
    const serving = await client.notice(Type.serving, id);
    assert.equal(serving.u32(Tag.serving), 1);
    await client.ask(Type.unserve, [[Tag.id, id]]);
    await waitUntil("not serving", () =>
      client.frames.some((f) => f.type === Type.serving && f.u32(Tag.serving) === 0),
    );
    assert.equal(keeper.log(id), "U\n");
    await assert.rejects(client.ask(Type.unserve, [[Tag.id, id]]), failsWith(errno.EINVAL));
    await assert.rejects(client.ask(Type.unserve, [[Tag.id, newId()]]), failsWith(errno.ESRCH));
    const refused = fork(client, id);
    assert.deepEqual(await failure(client, refused), [Step.request, errno.ESRCH]);
  });

  it("is told of as serving no more when it ends", async () => {
    const server = await startForkServer(client);
    await client.signal(server.id, SIGKILL);
    await client.exited(server.id);
    const told = client.frames
      .filter((f) => f.request === 0 && f.bytes(Tag.id).equals(server.id))
      .map((f) => (f.type === Type.serving ? f.u32(Tag.serving) : f.type));
    assert.deepEqual(told, [Type.spawned, 1, 0, Type.exited]);
  });

  it("can say what it wants: what is no message ends its link and hurts nobody", async () => {
    const before = keeper.descriptors();
    const others = newId().toString("hex");
    const hostile: readonly (readonly [string, string | number])[] = [
      ["say", "00"],
      ["say", "42".padEnd(34, "0")],
      ["say", "53".padEnd(18, "0")],
      ["say", "4c"],
      ["say", "4c".padEnd(18, "0")],
      ["say", "5200"],
      ["say", "4500"],
      ["say", `58${others}00000000`],
      ["say", `58${others}0f`],
      ["say", "52".padEnd(1400, "0")],
      ["say", "ff".repeat(512)],
      ["give", 1],
    ];
    for (const [verb, value] of hostile) {
      // It says R after that: nobody may hear it.
      const id = spawnLinked(client, { then: acts({ [verb]: value }, { say: "52" }, { exit: 6 }) });
      await born(client, id);
      assert.equal((await client.exited(id)).u32(Tag.exitValue), 6, String(value));
      assert.ok(
        client.frames.every((f) => f.type !== Type.serving),
        `${verb} ${value}`,
      );
      await client.acknowledge(id);
    }
    assert.equal(keeper.descriptors(), before);
  });

  it("cannot refuse what another server was asked for", async () => {
    const server = await startForkServer(client, "swallow");
    const waiting = fork(client, server.id);
    const refusal = `58${waiting.toString("hex")}10000000`;
    const liar = await born(
      client,
      spawnLinked(client, { then: acts({ say: refusal }, { exit: 0 }) }),
    );
    await client.exited(liar.id);
    assert.equal((await client.list()).length, 3);
    await client.signal(server.id, SIGKILL);
    assert.deepEqual(await failure(client, waiting), [Step.birth, errno.ECHILD]);
  });

  it("is moved to other CPUs with all its threads", async () => {
    const { id, pid } = await born(
      client,
      spawnLinked(client, { then: acts({ threads: 6 }, { sleep: 60 }) }, [bitmap(0)]),
    );
    await waitUntil("its threads", () => keeper.log(id) === "threads\n");
    const where = (): Set<string> =>
      new Set(
        readdirSync(`/proc/${pid}/task`).map(
          (task) =>
            /Cpus_allowed_list:\s*(\S+)/.exec(
              readFileSync(`/proc/${pid}/task/${task}/status`, "utf8"),
            )?.[1] ?? "",
        ),
      );
    assert.equal(readdirSync(`/proc/${pid}/task`).length, 7);
    assert.deepEqual(where(), new Set(["0"]));
    await client.ask(Type.pin, [[Tag.id, id], bitmap(1)]);
    assert.deepEqual(where(), new Set(["1"]));
    const pin = (fields: Parameters<KeeperClient["ask"]>[1]): Promise<unknown> =>
      client.ask(Type.pin, fields);
    await assert.rejects(pin([[Tag.id, id]]), failsWith(errno.EINVAL));
    await assert.rejects(pin([[Tag.id, id], bitmap(4095)]), failsWith(errno.EINVAL));
    await assert.rejects(pin([[Tag.id, newId()], bitmap(0)]), failsWith(errno.ESRCH));
    await client.signal(id, SIGKILL);
    await client.exited(id);
    await assert.rejects(pin([[Tag.id, id], bitmap(0)]), failsWith(errno.ESRCH));
  });

  it("gets limits only where the kernel keeps them, and only such as it may have", async () => {
    const { frame } = await born(client, spawnLinked(client, { then: acts({ sleep: 60 }) }));
    const features = (await client.hello()).u32(Tag.features);
    await client.list();
    const files: readonly [string, number][] = [
      ["memory.max=268435456", 64],
      ["pids.max=100", 128],
      ["cpu.max=50000 100000", 256],
    ];
    for (const [wanted, feature] of files) {
      const id = spawnLinked(client, { then: acts({ sleep: 60 }) }, [limit(wanted)]);
      if ((features & feature) === 0) {
        assert.deepEqual(await failure(client, id), [Step.limits, errno.ENOTSUP], wanted);
        assert.equal(existsSync(join(keeper.directory, id.toString("hex"))), false);
        continue;
      }
      const leaf = (await born(client, id)).frame.text(Tag.cgroup);
      const [file = "", value] = wanted.split("=");
      assert.equal(readFileSync(join(leaf, file), "utf8").trim(), value);
    }
    for (const bad of [
      "cgroup.procs=1",
      "memory.max",
      "memory.max=",
      "../x=1",
      "pids.max=\n" + "1".repeat(70),
    ]) {
      const id = spawnLinked(client, { then: acts({ exit: 0 }) }, [limit(bad)]);
      assert.deepEqual(await failure(client, id), [Step.limits, errno.EINVAL], bad);
    }
    if (frame.has(Tag.cgroup)) {
      const leaves = readdirSync(join(frame.text(Tag.cgroup), ".."), { withFileTypes: true });
      const limited = files.filter(([, feature]) => (features & feature) !== 0).length;
      assert.equal(leaves.filter((entry) => entry.isDirectory()).length, 1 + limited);
    }
  });

  it("does its whole work under sanitizers", async () => {
    await using strict = await KeeperProcess.start({ program: build("asan") });
    using own = await strict.connect();
    const server = await startForkServer(own);
    const refusing = await startForkServer(own, "refuse");
    const held = fork(own, server.id, { flags: Flag.hold });
    await own.notice(Type.born, held);
    const ids = Array.from({ length: 20 }, (_, i) =>
      fork(own, server.id, { then: acts({ exit: i }) }),
    );
    for (const [i, id] of ids.entries()) {
      assert.equal((await own.exited(id, 20_000)).u32(Tag.exitValue), i);
      await own.acknowledge(id);
    }
    const refused = fork(own, refusing.id);
    assert.deepEqual(await failure(own, refused), [Step.fork, errno.EBUSY]);
    await own.ask(Type.pin, [[Tag.id, server.id], bitmap(0)]);
    strict.child.kill("SIGTERM");
    strict.child.kill("SIGINT");
    assert.equal(await strict.exit(), 0, strict.stderr);
    assert.doesNotMatch(strict.stderr, /ERROR|runtime error/);
  });
});
