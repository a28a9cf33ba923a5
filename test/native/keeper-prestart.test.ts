import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import {
  acts,
  bitmap,
  born,
  failure,
  go,
  limit,
  moments,
  PYTHON,
  specification,
} from "./support/fork-servers.js";
import { type KeeperClient } from "./support/keeper-client.js";
import { build, isAlive, KeeperProcess, processState } from "./support/keeper-process.js";
import { waitUntil } from "./support/wait-until.js";
import { Flag, Step, Tag, text, Type } from "./support/wire.js";

const { errno } = constants;
const [HELD, TO_BE_HELD] = [4, 5];
const SIGKILL = 9;

/** It runs, and does not wait yet. */
async function loads(keeper: KeeperProcess, id: Buffer): Promise<void> {
  const path = join(keeper.directory, id.toString("hex"), "stdout");
  await waitUntil(
    "its first word",
    () => existsSync(path) && readFileSync(path, "utf8") === "loaded\n",
  );
}

for (const cgroup of ["auto", "none"]) {
  describe(`the keeper and what is spawned in advance, cgroups ${cgroup}`, function () {
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

    /** A program that says that it waits, after so many seconds. */
    function prestart(seconds = 0, flags = Flag.link | Flag.hold): Buffer {
      return client.spawn({ argv: PYTHON, flags, more: [specification({ wait: seconds })] });
    }

    async function waiting(): Promise<{ readonly id: Buffer; readonly pid: number }> {
      const id = prestart();
      return { id, pid: (await client.notice(Type.born, id)).u32(Tag.pid) };
    }

    const stateOf = async (id: Buffer): Promise<number | undefined> =>
      (await client.list()).find((worker) => worker.bytes(Tag.id).equals(id))?.u32(Tag.state);

    async function leavesNothing(id: Buffer, pid: number): Promise<void> {
      assert.equal(existsSync(join(keeper.directory, id.toString("hex"))), false);
      assert.equal(await stateOf(id), undefined);
      assert.equal(processState(pid), undefined);
    }

    it("holds it until it may go, which then reads its other specification", async () => {
      const { id, pid } = await waiting();
      assert.equal(await stateOf(id), HELD);
      assert.equal(client.frames.filter(({ type }) => type === Type.spawned).length, 0);
      const then = acts({ pids: 1 }, { result: "mine" }, { now: "L" }, { exit: 9 });
      go(client, id, { then, more: [bitmap(0)] });
      const { pid: same, frame } = await born(client, id);
      assert.equal(same, pid);
      const first = await client.notice(Type.firstLine, id);
      assert.equal((await client.exited(id)).u32(Tag.exitValue), 9);
      assert.equal(keeper.log(id), `loaded\n${pid} ${keeper.pid} ${pid}\n`);
      const result = join(keeper.directory, id.toString("hex"), "result");
      assert.equal(readFileSync(result, "utf8"), "mine");
      const times = moments(first);
      assert.deepEqual([...times].sort(), times, "each moment comes after the one before");
      assert.ok(times.every((time) => time > 0n));
      assert.deepEqual(moments(frame), [...times.slice(0, 5), 0n]);
    });

    it("moves it to its CPUs before it goes", async () => {
      const { id, pid } = await waiting();
      const allowed = (): string | undefined =>
        /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
      assert.notEqual(allowed(), "1");
      go(client, id, { then: acts({ sleep: 60 }), more: [bitmap(1)] });
      await born(client, id);
      assert.equal(allowed(), "1");
    });

    it("gives it no deadline of its own, and lists it as on its way until it waits", async () => {
      await using hasty = await KeeperProcess.start({
        args: ["--cgroup", cgroup, "--start-deadline-ms", "600"],
      });
      using other = await hasty.connect();
      const more = [specification({ wait: 2 })];
      const id = other.spawn({ argv: PYTHON, flags: Flag.link | Flag.hold, more });
      await loads(hasty, id);
      const [listed] = await other.list();
      assert.equal(listed?.u32(Tag.state), TO_BE_HELD);
      await other.notice(Type.born, id, 10_000);
      const [now] = await other.list();
      assert.equal(now?.u32(Tag.state), HELD);
    });

    it("removes all of one that dies, loading or waiting, and of one whose go is not for it", async () => {
      const loading = prestart(60);
      await loads(keeper, loading);
      const [child = 0] = keeper.children();
      await client.signal(loading, SIGKILL);
      assert.deepEqual(await failure(client, loading), [Step.birth, errno.EINTR]);
      await leavesNothing(loading, child);
      const held = await waiting();
      await client.signal(held.id, SIGKILL);
      assert.deepEqual(await failure(client, held.id), [Step.birth, errno.EINTR]);
      await leavesNothing(held.id, held.pid);
      const flags = [Flag.stdinPipe, Flag.mergeStderr, Flag.nullStdout, Flag.nullStderr];
      for (const flag of flags) {
        const { id, pid } = await waiting();
        go(client, id, { flags: flag });
        assert.deepEqual(await failure(client, id), [Step.files, errno.EINVAL]);
        await leavesNothing(id, pid);
      }
    });

    it("says of one that died as it was to go that it was never born", async () => {
      for (let round = 0; round < 40; round++) {
        const { id, pid } = await waiting();
        process.kill(pid, "SIGKILL");
        go(client, id, { then: acts({ sleep: 60 }), more: [bitmap(0)] });
        const [step, why]: readonly number[] = await failure(client, id);
        // In both cases no code of a user has run, and the daemon tries again.
        assert.ok(step === Step.birth || step === Step.specification, `step ${step}`);
        assert.equal(why, errno.EINTR);
        await waitUntil("its end", () => processState(pid) === undefined);
        await leavesNothing(id, pid);
        const answers = client.frames
          .filter((frame) => frame.type === Type.spawnFailed && frame.bytes(Tag.id).equals(id))
          .map((frame) => [frame.u32(Tag.step), frame.u32(Tag.errno)]);
        // That it had ended was told before its go came: then this can be no answer to the next order.
        assert.deepEqual(answers.slice(1), answers.slice(1).fill([Step.request, errno.ECHILD]));
        assert.ok(answers.length <= 2);
      }
    });

    it("refuses to hold what has no link, or other files than any worker has", async () => {
      const flags = [
        Flag.hold,
        ...[Flag.stdinPipe, Flag.mergeStderr, Flag.nullStdout, Flag.nullStderr].map(
          (flag) => Flag.hold | Flag.link | flag,
        ),
      ];
      for (const flag of flags) {
        assert.deepEqual(await failure(client, prestart(0, flag)), [Step.request, errno.EINVAL]);
      }
      assert.deepEqual(readdirSync(keeper.directory).sort(), ["keeper.lock"]);
    });

    it("takes no second word of it that it waits, and none of another process", async () => {
      const then = [{ say: `42${"00".repeat(16)}` }, { sleep: 60 }];
      const { id } = await waiting();
      go(client, id, { then });
      assert.deepEqual(await failure(client, id), [Step.specification, errno.EPROTO]);
    });

    it("carries it over an upgrade, loading or waiting, and over a change of daemons", async () => {
      const loading = prestart(0.3);
      const { id } = await waiting();
      await client.ask(Type.upgrade, [text(Tag.path, build("all"))]);
      await client.notice(Type.born, loading);
      await client.close();
      using next = await keeper.connect();
      const workers = await next.list();
      assert.deepEqual(
        workers.map((worker) => worker.u32(Tag.state)),
        [HELD, HELD],
      );
      for (const each of [loading, id]) {
        go(next, each, { then: acts({ exit: 5 }) });
        assert.equal((await next.exited(each)).u32(Tag.exitValue), 5);
      }
    });

    it("ends what waits when it stops", async () => {
      const { id, pid } = await waiting();
      keeper.child.kill("SIGTERM");
      assert.equal(await keeper.exit(), 0, keeper.stderr);
      assert.equal(isAlive(pid), false);
      assert.equal(existsSync(join(keeper.directory, id.toString("hex"))), false);
    });

    it("sets its limits before it goes, or says that it cannot", async () => {
      const { id } = await waiting();
      go(client, id, { more: [limit("nonsense=1")] });
      assert.deepEqual(await failure(client, id), [Step.limits, errno.EINVAL]);
    });
  });
}
