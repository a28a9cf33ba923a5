import assert from "node:assert/strict";
import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import {
  acts,
  born,
  failure,
  fork,
  go,
  moments,
  outcome,
  spawnLinked,
  startForkServer,
} from "./support/fork-servers.js";
import { type KeeperClient, KeeperError, newId } from "./support/keeper-client.js";
import { build, isAlive, KeeperProcess, processState } from "./support/keeper-process.js";
import { waitUntil } from "./support/wait-until.js";
import { Flag, Step, Tag, text, Type, u32, u64 } from "./support/wire.js";

const { errno } = constants;
const SIGKILL = 9;
const failsWith = (code: number) => (error: unknown) =>
  error instanceof KeeperError && error.errno === code;

for (const cgroup of ["auto", "none"]) {
  describe(`the keeper and what a fork server makes, cgroups ${cgroup}`, function () {
    this.timeout(60_000);
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

    const directoryOf = (id: Buffer): string => join(keeper.directory, id.toString("hex"));

    /** No directory, no leaf, no slot, and no process besides those that are named. */
    async function leavesNothing(id: Buffer, ...pids: readonly number[]): Promise<void> {
      assert.equal(existsSync(directoryOf(id)), false);
      const group = /cgroups (\/\S+)/.exec(keeper.stderr)?.[1];
      if (group !== undefined) assert.equal(existsSync(join(group, id.toString("hex"))), false);
      assert.ok((await client.list()).every((worker) => !worker.bytes(Tag.id).equals(id)));
      await waitUntil("no other child", () => keeper.children().every((pid) => pids.includes(pid)));
    }

    it("is the parent of a worker, in its own session, leaf, directory and files", async () => {
      const server = await startForkServer(client);
      const id = fork(client, server.id, {
        flags: Flag.stdinPipe,
        then: acts({ pids: 1 }, { files: 1 }, { result: "mine" }, { now: "L" }, { copy: 1 }),
      });
      const { pid, frame } = await born(client, id);
      const first = await client.notice(Type.firstLine, id);
      const leaf = frame.has(Tag.cgroup) ? frame.text(Tag.cgroup) : undefined;
      assert.equal(leaf !== undefined, keeper.stderr.includes("cgroups /"));
      if (leaf !== undefined) {
        assert.equal(readFileSync(join(leaf, "cgroup.procs"), "utf8").trim(), String(pid));
      }
      await client.writeStdin(id, 0n, "through the pipe", true);
      const end = await client.exited(id);
      assert.deepEqual([end.u32(Tag.exitCodeKind), end.u32(Tag.exitValue)], [1, 0]);
      assert.equal(end.u32(Tag.exitSource), 1);
      assert.equal(end.bytes(Tag.usage).length, 56);
      const [pids, files, copied] = keeper.log(id).split("\n");
      assert.equal(pids, `${pid} ${keeper.pid} ${pid}`);
      const open: unknown = JSON.parse(files ?? "");
      assert.ok(typeof open === "object" && open !== null);
      assert.deepEqual(
        Object.entries(open).filter(([n]) => ["1", "2", "4"].includes(n)),
        [
          ["1", join(directoryOf(id), "stdout")],
          ["2", join(directoryOf(id), "stderr")],
          ["4", join(directoryOf(id), "result")],
        ],
      );
      assert.equal(copied, "through the pipe");
      assert.equal(readFileSync(join(directoryOf(id), "result"), "utf8"), "mine");
      const times = moments(first);
      assert.equal(times.length, 6);
      assert.deepEqual([...times].sort(), times, "each moment comes after the one before");
      assert.ok(times.every((time) => time > 0n));
      assert.deepEqual(moments(frame), [...times.slice(0, 5), 0n]);
      await client.acknowledge(id);
      await client.ask(Type.remove, [[Tag.id, id]]);
      await leavesNothing(id, server.pid);
    });

    it("gives a fork server the leaf for its child to be in before it is born", async function () {
      // Without leaves there is nothing to give.
      if (!keeper.stderr.includes("cgroups /")) this.skip();
      const server = await startForkServer(client, "leaf");
      for (const flags of [0, Flag.hold]) {
        const id = fork(client, server.id, { flags, then: acts({ sleep: 60 }) });
        if (flags === Flag.hold) {
          await client.notice(Type.born, id);
          go(client, id, { then: acts({ sleep: 60 }) });
        }
        const { pid, frame } = await born(client, id);
        const procs = readFileSync(join(frame.text(Tag.cgroup), "cgroup.procs"), "utf8");
        assert.equal(procs.trim(), String(pid));
      }
      const open = readdirSync(`/proc/${server.pid}/fd`).map((fd) =>
        readlinkSync(`/proc/${server.pid}/fd/${fd}`),
      );
      assert.deepEqual(
        open.filter((path) => path.startsWith("/sys/fs/cgroup")),
        [],
      );
    });

    it("has the worker's files belong to the user of its server", async function () {
      if (process.getuid?.() !== 0) this.skip();
      await using own = await KeeperProcess.start({
        args: ["--cgroup", cgroup, "--owner", "65534"],
      });
      using other = await own.connect();
      const server = await startForkServer(other, "well", [u32(Tag.uid, 65534)]);
      const { id } = await born(other, fork(other, server.id, { then: acts({ result: "x" }) }));
      await other.exited(id);
      for (const name of ["stdout", "stderr", "result"]) {
        assert.equal(statSync(join(own.directory, id.toString("hex"), name)).uid, 65534, name);
      }
      assert.equal(statSync(join(own.directory, id.toString("hex"))).uid, 0);
    });

    it("says how every failure came, and leaves nothing behind", async () => {
      for (const [how, expected] of [
        ["drop", [Step.birth, errno.ECHILD]],
        ["mute", [Step.birth, errno.ECHILD]],
        ["stranger", [Step.birth, errno.EPERM]],
        ["own", [Step.birth, errno.EPERM]],
        ["refuse", [Step.fork, errno.EBUSY]],
        ["not", [Step.request, errno.ESRCH]],
      ] as const) {
        const server = await startForkServer(client, how);
        const id = fork(client, server.id);
        assert.deepEqual(await failure(client, id), expected, how);
        await leavesNothing(id, server.pid);
        const again = client.frames.length;
        fork(client, server.id, { id });
        const second = await outcome(client, id, again);
        assert.deepEqual([second.u32(Tag.step), second.u32(Tag.errno)], expected, `${how} again`);
        if (how === "refuse") {
          assert.equal(second.text(Tag.message), "Thread-7, Thread-8");
        }
        await client.signal(server.id, SIGKILL);
        await client.exited(server.id);
        await client.acknowledge(server.id);
      }
      await waitUntil("no child", () => keeper.children().length === 0);
    });

    it("passes on in which step a child could not become what it should", async () => {
      const server = await startForkServer(client);
      for (const [then, expected] of [
        [[{ error: [Step.cwd, errno.ENOENT] }], [Step.cwd, errno.ENOENT]],
        [[{ error: [Step.rlimit, errno.EPERM] }], [Step.rlimit, errno.EPERM]],
        [[{ error: [Step.specification, errno.EINVAL] }], [Step.specification, errno.EINVAL]],
        [[{ exit: 3 }], [Step.specification, errno.EINTR]],
        [[{ signal: 11 }], [Step.specification, errno.EINTR]],
        [[{ error: [Step.birth, 1] }], [Step.specification, errno.EPROTO]],
        [[{ say: "42" }], [Step.specification, errno.EPROTO]],
        [[{ now: "L" }], [Step.specification, errno.EPROTO]],
      ] as const) {
        const id = fork(client, server.id, { then });
        assert.deepEqual(await failure(client, id), expected, JSON.stringify(then));
        await leavesNothing(id, server.pid);
      }
      const died = fork(client, server.id, { then: [{ exit: 3 }] });
      const frame = await client.notice(Type.spawnFailed, died);
      assert.equal(frame.text(Tag.message), "it exited with code 3");
    });

    it("holds a child until it may go, with its files made by then", async () => {
      const server = await startForkServer(client);
      const id = fork(client, server.id, { flags: Flag.hold });
      const notice = await client.notice(Type.born, id);
      const pid = notice.u32(Tag.pid);
      assert.ok(isAlive(pid));
      const files = ["offsets", "result", "stderr", "stdout"];
      assert.deepEqual(readdirSync(directoryOf(id)).sort(), files);
      const listed = (await client.list()).find((worker) => worker.bytes(Tag.id).equals(id));
      assert.equal(listed?.u32(Tag.state), 4);
      assert.equal(listed.u32(Tag.pid), pid);
      await client.signal(server.id, SIGKILL, 1);
      await client.exited(server.id);
      await client.acknowledge(server.id);
      assert.ok(isAlive(pid), "it does not end with its server");
      go(client, id, { then: acts({ print: "gone" }, { exit: 9 }) });
      assert.equal((await born(client, id)).pid, pid);
      assert.equal((await client.exited(id)).u32(Tag.exitValue), 9);
      assert.equal(keeper.log(id), "gone\n");
    });

    it("reports a held child that dies, and refuses to let go what is not held", async () => {
      const server = await startForkServer(client);
      const id = fork(client, server.id, { flags: Flag.hold });
      await client.notice(Type.born, id);
      await client.signal(id, SIGKILL);
      assert.deepEqual(await failure(client, id), [Step.birth, errno.EINTR]);
      await leavesNothing(id, server.pid);
      for (const unheld of [id, newId()]) {
        const before = client.frames.length;
        go(client, unheld);
        const refusal = await outcome(client, unheld, before);
        assert.deepEqual([refusal.u32(Tag.step), refusal.u32(Tag.errno)], [1, errno.ECHILD]);
      }
    });

    it("ends a held child whose go lacks what it needs", async () => {
      const server = await startForkServer(client);
      const id = fork(client, server.id, { flags: Flag.hold });
      const pid = (await client.notice(Type.born, id)).u32(Tag.pid);
      client.send(Type.go, [[Tag.id, id], u32(Tag.flags, 0), u64(Tag.logMaxBytes, 0n)]);
      assert.deepEqual(await failure(client, id), [Step.request, errno.EINVAL]);
      assert.equal(processState(pid), undefined);
      await leavesNothing(id, server.pid);
    });

    it("gives a held child only the files that its go says", async () => {
      const server = await startForkServer(client);
      const cases: readonly (readonly [flags: number, open: readonly string[]])[] = [
        [0, ["/dev/null", "stdout", "stderr"]],
        [Flag.nullStdout, ["/dev/null", "/dev/null", "stderr"]],
        [Flag.nullStderr, ["/dev/null", "stdout", "/dev/null"]],
        [Flag.mergeStderr, ["/dev/null", "stdout", "stdout"]],
        [Flag.mergeStderr | Flag.nullStdout, ["/dev/null", "/dev/null", "/dev/null"]],
        [Flag.stdinPipe, ["pipe", "stdout", "stderr"]],
      ];
      for (const [flags, open] of cases) {
        const id = fork(client, server.id, { flags: Flag.hold });
        await client.notice(Type.born, id);
        go(client, id, { flags, then: acts({ sleep: 60 }) });
        const { pid } = await born(client, id);
        const found = [0, 1, 2].map((fd) =>
          readlinkSync(`/proc/${pid}/fd/${fd}`)
            .replace(`${directoryOf(id)}/`, "")
            .replace(/:.*/, ""),
        );
        assert.deepEqual(found, open);
        const outputs = readdirSync(directoryOf(id)).filter((name) => name.startsWith("std"));
        assert.deepEqual(outputs.sort(), [...new Set(open.filter((o) => /^std/.test(o)))].sort());
        if (flags === Flag.stdinPipe) await client.writeStdin(id, 0n, "there is somebody", true);
        await client.signal(id, SIGKILL);
        await client.exited(id);
        await client.acknowledge(id);
        await client.ask(Type.remove, [[Tag.id, id]]);
      }
      await leavesNothing(newId(), server.pid);
    });

    it("holds no child whose directory exists, and spoils that directory not", async () => {
      const server = await startForkServer(client);
      const id = fork(client, server.id, { then: acts({ print: "earlier" }) });
      await client.exited(id);
      await client.acknowledge(id);
      fork(client, server.id, { id, flags: Flag.hold });
      assert.deepEqual(await failure(client, id), [Step.directory, errno.EEXIST]);
      assert.equal(keeper.log(id), "earlier\n");
      await waitUntil("its end", () => keeper.children().every((pid) => pid === server.pid));
    });

    it("keeps an order that is unborn within the deadline, and can be told to give it up", async () => {
      await using quick = await KeeperProcess.start({
        args: ["--cgroup", cgroup, "--start-deadline-ms", "1500"],
      });
      using own = await quick.connect();
      const server = await startForkServer(own, "swallow");
      const [late, cancelled] = [fork(own, server.id), fork(own, server.id)];
      const listed = (await own.list()).filter((worker) => !worker.bytes(Tag.id).equals(server.id));
      assert.deepEqual(
        listed.map((worker) => [worker.u32(Tag.state), worker.has(Tag.pid)]),
        [
          [1, false],
          [1, false],
        ],
      );
      await assert.rejects(own.signal(cancelled, 15), failsWith(errno.ESRCH));
      await own.signal(cancelled, SIGKILL);
      assert.deepEqual(await failure(own, cancelled), [Step.birth, errno.EINTR]);
      assert.deepEqual(await failure(own, late), [Step.birth, errno.ETIME]);
      assert.equal((await own.list()).length, 1);
      assert.deepEqual(
        readdirSync(quick.directory).sort(),
        [server.id.toString("hex"), "keeper.lock"].sort(),
      );
    });

    it("lets workers outlive their server, and kills what a worker of it leaves", async () => {
      const server = await startForkServer(client);
      const lasting = await born(client, fork(client, server.id, { then: acts({ sleep: 60 }) }));
      const leaving = await born(
        client,
        fork(client, server.id, { then: acts({ escape: 1 }, { sleep: 60 }) }),
      );
      const escaped = await waitUntil("a printed pid", () => {
        const line = /^(\d+)\n/.exec(keeper.log(leaving.id));
        return line === null ? undefined : Number(line[1]);
      });
      await client.signal(server.id, SIGKILL, 1);
      await client.exited(server.id);
      await client.acknowledge(server.id);
      assert.ok(isAlive(lasting.pid) && isAlive(leaving.pid) && isAlive(escaped));
      await client.signal(leaving.id, SIGKILL);
      await client.exited(leaving.id);
      await waitUntil("the escaped one's end", () => !isAlive(escaped));
      assert.ok(isAlive(lasting.pid));
      await client.signal(lasting.id, 15);
      assert.equal((await client.exited(lasting.id)).u32(Tag.exitValue), 15);
    });

    it("carries births, held children and links over an upgrade in their middle", async () => {
      const server = await startForkServer(client);
      const held = fork(client, server.id, { flags: Flag.hold });
      await client.notice(Type.born, held);
      const waiting = await born(client, spawnLinkedSleeper());
      const descriptors = keeper.descriptors();
      const ids: Buffer[] = [];
      for (let round = 0; round < 10; round++) {
        for (let i = 0; i < 8; i++) {
          ids.push(
            fork(client, server.id, {
              flags: i % 2 === 0 ? Flag.stdinPipe : Flag.mergeStderr,
              then: acts({ exit: round * 8 + i }),
            }),
          );
        }
        await client.ask(Type.upgrade, [text(Tag.path, build("all"))]);
      }
      for (const [i, id] of ids.entries()) {
        assert.equal((await client.exited(id, 20_000)).u32(Tag.exitValue), i);
        await client.acknowledge(id);
      }
      go(client, held, { then: acts({ now: "L" }, { exit: 77 }) });
      assert.equal((await client.exited(held)).u32(Tag.exitValue), 77);
      await client.acknowledge(held);
      await client.ask(Type.unserve, [[Tag.id, server.id]]);
      await waitUntil("not serving", () =>
        client.frames.some((f) => f.type === Type.serving && f.u32(Tag.serving) === 0),
      );
      await client.signal(waiting.id, SIGKILL);
      await client.exited(waiting.id);
      await client.acknowledge(waiting.id);
      assert.ok(keeper.descriptors() <= descriptors, "nothing leaks");
      assert.deepEqual(keeper.children(), [server.pid]);
    });

    it("does not become a program that knows nothing of links while there are any", async () => {
      const older = join(keeper.directory, "../older");
      const program = readFileSync(build("all"));
      const mark = program.indexOf("forkbus-keeper links, format");
      assert.ok(mark > 0);
      writeFileSync(older, program.fill(0, mark, mark + 32), { mode: 0o755 });
      const upgrade = (): Promise<unknown> => client.ask(Type.upgrade, [text(Tag.path, older)]);
      const server = await startForkServer(client);
      await assert.rejects(upgrade(), failsWith(errno.ENOTSUP));
      const id = fork(client, server.id);
      assert.equal((await client.exited(id)).u32(Tag.exitValue), 0);
      await client.signal(server.id, SIGKILL);
      await client.exited(server.id);
      await upgrade();
      assert.equal((await client.list()).length, 2);
    });

    const spawnLinkedSleeper = (): Buffer => spawnLinked(client, { then: acts({ sleep: 60 }) });

    it("holds what a daemon that comes back asks for", async () => {
      const server = await startForkServer(client);
      const held = fork(client, server.id, { flags: Flag.hold });
      await client.notice(Type.born, held);
      const running = fork(client, server.id, { then: acts({ now: "L" }, { sleep: 60 }) });
      await client.notice(Type.firstLine, running);
      await client.close();
      using next = await keeper.connect();
      const workers = new Map((await next.list()).map((w) => [w.bytes(Tag.id).toString("hex"), w]));
      assert.deepEqual([...workers.values()].map((w) => w.u32(Tag.state)).sort(), [2, 2, 4]);
      assert.equal(workers.get(server.id.toString("hex"))?.u32(Tag.serving), 1);
      const told = workers.get(running.toString("hex"));
      assert.equal(told?.u32(Tag.serving), 0);
      assert.ok(moments(told).every((time) => time > 0n));
      go(next, held, { then: acts({ exit: 5 }) });
      assert.equal((await next.exited(held)).u32(Tag.exitValue), 5);
    });

    it("gives up what waits to be born when it stops", async () => {
      const server = await startForkServer(client, "swallow");
      fork(client, server.id);
      const good = await startForkServer(client);
      const held = fork(client, good.id, { flags: Flag.hold });
      const pid = (await client.notice(Type.born, held)).u32(Tag.pid);
      keeper.child.kill("SIGTERM");
      assert.equal(await keeper.exit(), 0, keeper.stderr);
      assert.equal(processState(pid), undefined);
    });
  });
}
