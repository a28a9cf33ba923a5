import assert from "node:assert/strict";
import { copyFileSync, existsSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { KeeperError, newId } from "./support/keeper-client.js";
import { build, isAlive, KeeperProcess, processState } from "./support/keeper-process.js";
import { waitUntil } from "./support/wait-until.js";
import { Tag, text, Type, u32, u64 } from "./support/wire.js";

const { errno } = constants;
const failsWith = (code: number) => (error: unknown) =>
  error instanceof KeeperError && error.errno === code;
const shell = (script: string): string[] => ["/bin/sh", "-c", script];

describe("the keeper's upgrade", function () {
  this.timeout(40_000);

  it("keeps workers, zombies, stdin pipes and the connection over the exec of another program", async () => {
    await using keeper = await KeeperProcess.start();
    using client = await keeper.connect();
    const cats = await Promise.all(
      Array.from({ length: 20 }, () => client.spawned({ argv: ["/bin/cat"], flags: 1 })),
    );
    const dead = await client.spawned({ argv: shell("exit 11") });
    await client.exited(dead.id);
    for (const { id } of cats) await client.writeStdin(id, 0n, "before ");
    const descriptors = keeper.descriptors();
    const instance = async (): Promise<Buffer> => (await client.hello()).bytes(Tag.instance);
    const before = await instance();
    await client.list();
    const copy = join(keeper.directory, "../keeper-copy");
    copyFileSync(build("all"), copy);
    // One exits, and requests are on their way, while the program changes.
    client.send(Type.signal, [
      [Tag.id, cats[0]?.id ?? newId()],
      u32(Tag.signal, 9),
      u32(Tag.scope, 0),
    ]);
    const upgrading = client.ask(Type.upgrade, [text(Tag.path, copy)]);
    const late = client.spawned({ argv: ["/bin/cat"], flags: 1 });
    await upgrading;
    await waitUntil("the new program", () => keeper.stderr.includes("upgraded"));
    assert.equal((await client.exited(cats[0]?.id ?? newId())).u32(Tag.exitValue), 9);
    await late;
    assert.deepEqual(await instance(), before);
    const listed = await client.list();
    assert.equal(listed.length, 22);
    const zombie = listed.find((worker) => worker.bytes(Tag.id).equals(dead.id));
    assert.equal(zombie?.u32(Tag.exitValue), 11);
    for (const { id } of cats.slice(1)) {
      assert.equal((await client.writeStdin(id, 7n, "after", true)).u64(Tag.offset), 12n);
      assert.deepEqual((await client.exited(id)).u32(Tag.exitValue), 0);
      assert.equal(keeper.log(id), "before after");
    }
    await client.ask(Type.upgrade, [text(Tag.path, copy)]);
    await client.acknowledge(dead.id);
    for (const { id } of cats) await client.acknowledge(id);
    assert.ok(keeper.descriptors() <= descriptors, "nothing leaks over two upgrades");
  });

  it("goes on as before when the other program cannot be one", async () => {
    await using keeper = await KeeperProcess.start();
    using client = await keeper.connect();
    const { id } = await client.spawned({ argv: ["/bin/cat"], flags: 1 });
    const broken = join(keeper.directory, "../broken");
    writeFileSync(broken, "nothing", { mode: 0o755 });
    const open = join(keeper.directory, "../open");
    copyFileSync(build("all"), open);
    writeFileSync(`${open}-not-executable`, Buffer.from("forkbus-keeper state, format 1\0\0"), {
      mode: 0o644,
    });
    for (const [path, code] of [
      ["/nonexistent", errno.ENOENT],
      [broken, errno.ENOEXEC],
      ["/bin/true", errno.ENOEXEC],
      [`${open}-not-executable`, errno.EACCES],
    ] as const) {
      await assert.rejects(client.ask(Type.upgrade, [text(Tag.path, path)]), failsWith(code), path);
    }
    await client.writeStdin(id, 0n, "still here", true);
    await client.exited(id);
    assert.equal(keeper.log(id), "still here");
    assert.doesNotMatch(keeper.stderr, /upgraded/);
  });
});

for (const cgroup of ["auto", "none"]) {
  describe(`a keeper that follows one that was killed, cgroups ${cgroup}`, function () {
    this.timeout(40_000);

    it("adopts its workers by pid and start time, and learns their true ends", async () => {
      const args = ["--cgroup", cgroup];
      await using first = await KeeperProcess.start({ args });
      const place = join(first.directory, "..");
      const workers: { id: Buffer; pid: number; startTicks: bigint }[] = [];
      await using _leftovers = {
        [Symbol.asyncDispose]: (): Promise<void> => {
          // Workers outlive the killed keeper; a failing test must not leave them.
          for (const { pid } of workers) if (isAlive(pid)) process.kill(pid, "SIGKILL");
          return Promise.resolve();
        },
      };
      {
        using client = await first.connect();
        for (const script of [
          "trap 'exit 42' USR1; while :; do sleep 0.02; done",
          "sleep 60 & wait; sleep 60",
          "exec cat",
        ]) {
          const { id, pid, frame } = await client.spawned({ argv: shell(script) });
          workers.push({ id, pid, startTicks: frame.u64(Tag.startTicks) });
        }
        const last = workers[2];
        await client.exited(last?.id ?? newId());
      }
      first.child.kill("SIGKILL");
      await first.exit();
      await using second = await KeeperProcess.start({ directory: place, args });
      using client = await second.connect();
      const welcome = await client.hello();
      await client.list();
      const adopt = (w: { id: Buffer; pid: number; startTicks: bigint }): Promise<unknown> =>
        client.ask(Type.adopt, [
          [Tag.id, w.id],
          u32(Tag.pid, w.pid),
          u64(Tag.startTicks, w.startTicks),
        ]);
      const [counting, tree, gone] = workers;
      assert.ok(counting !== undefined && tree !== undefined && gone !== undefined);
      await waitUntil("the dead one's burial", () => processState(gone.pid) === undefined);
      await assert.rejects(adopt(gone), failsWith(errno.ESRCH));
      await assert.rejects(
        adopt({ ...counting, startTicks: counting.startTicks + 1n }),
        failsWith(errno.ESRCH),
      );
      await assert.rejects(adopt({ ...counting, pid: 1 }), failsWith(errno.ESRCH));
      await adopt(counting);
      await adopt(tree);
      await assert.rejects(adopt(tree), failsWith(errno.EEXIST));
      assert.equal((await client.list()).length, 2);
      assert.deepEqual(await client.refused({ id: gone.id, argv: ["/bin/true"] }), [
        2,
        errno.EEXIST,
      ]);
      await client.signal(counting.id, 10);
      const end = await client.exited(counting.id);
      const known = (welcome.u32(Tag.features) & 16) !== 0;
      assert.deepEqual(
        [end.u32(Tag.exitCodeKind), end.u32(Tag.exitValue)],
        known ? [1, 42] : [0, 0],
      );
      assert.equal(end.has(Tag.usage), false);
      await client.signal(tree.id, 9, 1);
      assert.deepEqual((await client.exited(tree.id)).u32(Tag.exitValue), known ? 9 : 0);
      await client.acknowledge(counting.id);
      await client.acknowledge(tree.id);
      await waitUntil("their end", () => workers.every(({ pid }) => !isAlive(pid)));
      const group = /cgroups (\/\S+)/.exec(first.stderr)?.[1];
      if (group !== undefined)
        await waitUntil("the dead keeper's leaves to go", () => !existsSync(group));
    });
  });
}
