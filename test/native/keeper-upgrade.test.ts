import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { KeeperError, newId, type SpawnOptions } from "./support/keeper-client.js";
import { build, isAlive, KeeperProcess, processState } from "./support/keeper-process.js";
import { waitUntil } from "./support/wait-until.js";
import { type Field, type Frame, Step, Tag, text, Type, u32, u64 } from "./support/wire.js";

const { errno } = constants;
const failsWith = (code: number) => (error: unknown) =>
  error instanceof KeeperError && error.errno === code;
const shell = (script: string): string[] => ["/bin/sh", "-c", script];

/** Lets a path mean one file and then the other, over and over, until it is disposed. */
async function flipping(path: string, one: string, other: string): Promise<AsyncDisposable> {
  const script = `import os, sys
path, one, other = sys.argv[1:]
print("flipping", flush=True)
while os.getppid() == int(${process.pid}):
    for target in (one, other):
        os.symlink(target, path + ".next")
        os.rename(path + ".next", path)`;
  const child = spawn("python3", ["-c", script, path, one, other], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let [said, ended] = ["", false];
  child.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
  child.on("exit", () => (ended = true));
  await waitUntil("the flipping", () => said.includes("flipping") && existsSync(path));
  return {
    [Symbol.asyncDispose]: async (): Promise<void> => {
      child.kill("SIGKILL");
      await waitUntil("its end", () => ended);
    },
  };
}

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

  it("executes the very file that it looked at, whatever the path means a moment later", async () => {
    await using keeper = await KeeperProcess.start();
    using client = await keeper.connect();
    const path = join(keeper.directory, "../program");
    await using _flips = await flipping(path, build("all"), "/bin/true");
    let refused = 0;
    for (let i = 0; i < 100; i++) {
      await client.ask(Type.upgrade, [text(Tag.path, path)]).catch((error: unknown) => {
        if (!failsWith(errno.ENOEXEC)(error)) throw error;
        refused += 1;
      });
    }
    assert.ok(refused < 100, "some of them succeeded");
    assert.deepEqual(await client.list(), []);
  });

  describe("with a list of users", () => {
    before(function () {
      if (process.getuid?.() !== 0) this.skip();
    });

    it("does not happen while the list cannot be read, and loses nothing", async () => {
      await using keeper = await startWithPolicy();
      const policy = join(keeper.directory, "../policy");
      using client = await keeper.connect();
      const { id } = await client.spawned({ argv: shell("exit 7") });
      await client.exited(id);
      const upgrade = (): Promise<unknown> =>
        client.ask(Type.upgrade, [text(Tag.path, build("all"))]);
      writeFileSync(policy, "user nobody\nnonsense\n");
      await assert.rejects(upgrade(), failsWith(errno.EINVAL));
      rmSync(policy);
      await assert.rejects(upgrade(), failsWith(errno.EINVAL));
      const other = await client.spawned({ argv: ["/bin/true"], more: [u32(Tag.uid, 65534)] });
      await client.exited(other.id);
      writeFileSync(policy, "user daemon\n");
      await upgrade();
      assert.deepEqual(
        await client.refused({ argv: ["/bin/true"], more: [u32(Tag.uid, 65534)] }),
        [Step.request, errno.EPERM],
        "the list is read again",
      );
      const listed = (await client.list()).find((worker) => worker.bytes(Tag.id).equals(id));
      assert.equal(listed?.u32(Tag.exitValue), 7);
    });

    it("survives a list that is damaged in the middle of it", async () => {
      await using keeper = await startWithPolicy();
      const place = join(keeper.directory, "..");
      using client = await keeper.connect();
      const { id } = await client.spawned({ argv: ["/bin/cat"], flags: 1 });
      for (const name of ["good", "bad"]) {
        writeFileSync(join(place, name), name === "good" ? "user nobody\n" : "nonsense\n");
      }
      await using _flips = await flipping(
        join(place, "policy"),
        join(place, "good"),
        join(place, "bad"),
      );
      await waitUntil(
        "a list that was good before and bad after",
        async () => {
          await client.ask(Type.upgrade, [text(Tag.path, build("all"))]).catch((error: unknown) => {
            if (!failsWith(errno.EINVAL)(error)) throw error;
          });
          return keeper.stderr.includes("as the owner alone");
        },
        20_000,
      );
      await client.writeStdin(id, 0n, "alive", true);
      await client.exited(id);
      assert.equal(keeper.log(id), "alive");
    });
  });
});

async function startWithPolicy(): Promise<KeeperProcess> {
  const place = mkdtempSync(join(tmpdir(), "forkbus-keeper-"));
  const policy = join(place, "policy");
  writeFileSync(policy, "user nobody\n", { mode: 0o644 });
  return KeeperProcess.start({ place, args: ["--policy", policy, "--cgroup", "none"] });
}

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
      await assert.rejects(adopt({ ...counting, id: newId() }), failsWith(errno.ESRCH));
      await assert.rejects(adopt({ ...counting, id: tree.id }), failsWith(errno.ESRCH));
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
      if (known) assert.ok([2, 3].includes(end.u32(Tag.exitSource)), "never a source it had not");
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

function identityOf(id: Buffer, pid: number): Field[] {
  const ticks = readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")[21];
  return [[Tag.id, id], u32(Tag.pid, pid), u64(Tag.startTicks, BigInt(ticks ?? 0))];
}

describe("a keeper that is asked to adopt", function () {
  this.timeout(40_000);

  const proofs: [string, SpawnOptions, boolean][] = [
    ["its environment", { argv: shell("exec >/dev/null 2>&1; exec sleep 60") }, true],
    ["its output", { argv: ["/usr/bin/env", "-i", "/bin/sleep", "60"] }, true],
    [
      "a late variable of its environment",
      {
        argv: shell("exec >/dev/null 2>&1; exec sleep 60"),
        env: Array.from({ length: 16 }, (_, i) => `BIG${i}=${"x".repeat(110_000 + i)}`),
      },
      true,
    ],
    ["nothing", { argv: shell("exec >/dev/null 2>&1; exec env -i /bin/sleep 60") }, false],
  ];
  for (const [proof, options, taken] of proofs) {
    it(`${taken ? "takes" : "refuses"} what is shown to be a worker by ${proof}`, async () => {
      const args = ["--cgroup", "none"];
      await using first = await KeeperProcess.start({ args });
      let worker: { id: Buffer; pid: number; frame: Frame };
      {
        using client = await first.connect();
        worker = await client.spawned(options);
        await waitUntil("its program", () =>
          readFileSync(`/proc/${worker.pid}/comm`, "utf8").startsWith("sleep"),
        );
      }
      try {
        first.child.kill("SIGKILL");
        await first.exit();
        await using second = await KeeperProcess.start({
          directory: join(first.directory, ".."),
          args,
        });
        using client = await second.connect();
        const asked = client.ask(Type.adopt, [
          [Tag.id, worker.id],
          u32(Tag.pid, worker.pid),
          u64(Tag.startTicks, worker.frame.u64(Tag.startTicks)),
        ]);
        if (taken) await asked;
        else await assert.rejects(asked, failsWith(errno.ESRCH));
      } finally {
        if (isAlive(worker.pid)) process.kill(worker.pid, "SIGKILL");
      }
    });
  }

  it("refuses a process that no keeper started", async () => {
    await using keeper = await KeeperProcess.start({ args: ["--cgroup", "none"] });
    using client = await keeper.connect();
    const stranger = spawn("/bin/sleep", ["60"]);
    try {
      const fields = identityOf(newId(), stranger.pid ?? 0);
      await assert.rejects(client.ask(Type.adopt, fields), failsWith(errno.ESRCH));
    } finally {
      stranger.kill("SIGKILL");
    }
  });

  it("refuses a process of a user that it would not have started one for", async function () {
    if (process.getuid?.() !== 0) this.skip();
    await using keeper = await KeeperProcess.start({ args: ["--cgroup", "none"] });
    using client = await keeper.connect();
    const id = newId();
    const other = spawn("/bin/sleep", ["60"], {
      uid: 65534,
      env: { FORKBUS_PROCESS_ID: id.toString("hex") },
    });
    try {
      const fields = identityOf(id, other.pid ?? 0);
      await assert.rejects(client.ask(Type.adopt, fields), failsWith(errno.ESRCH));
    } finally {
      other.kill("SIGKILL");
    }
  });
});
