import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { type KeeperClient, newId } from "./support/keeper-client.js";
import { build, KeeperProcess } from "./support/keeper-process.js";
import { rlimit, Step, Tag, u32 } from "./support/wire.js";

const { errno } = constants;

async function output(client: KeeperClient, keeper: KeeperProcess, id: Buffer): Promise<string> {
  await client.exited(id);
  return keeper.log(id);
}

describe("the keeper's list of users", function () {
  this.timeout(30_000);
  before(function () {
    if (process.getuid?.() !== 0) this.skip();
  });
  const policy = join(tmpdir(), `forkbus-policy-${process.pid}`);
  after(() => {
    rmSync(policy, { force: true });
  });

  async function startWith(text: string, mode = 0o644): Promise<KeeperProcess> {
    writeFileSync(policy, text);
    chmodSync(policy, mode);
    return KeeperProcess.start({ args: ["--policy", policy, "--cgroup", "none"] });
  }

  it("lets a worker run as a user that it names, with that user's group only", async () => {
    await using keeper = await startWith("# who\nuser nobody # the least\n");
    chmodSync(join(keeper.directory, ".."), 0o755);
    using client = await keeper.connect();
    const { id } = await client.spawned({ argv: ["/usr/bin/id"], more: [u32(Tag.uid, 65534)] });
    await client.exited(id);
    assert.match(keeper.log(id), /^uid=65534\(nobody\) gid=65534\(nogroup\) groups=65534/);
    const root = { argv: ["/usr/bin/id"], more: [u32(Tag.uid, 65534), u32(Tag.gid, 0)] };
    assert.deepEqual(await client.refused(root), [Step.request, errno.EPERM]);
    const other = { argv: ["/usr/bin/id"], more: [u32(Tag.uid, 1)] };
    assert.deepEqual(await client.refused(other), [Step.request, errno.EPERM]);
  });

  it("gives a worker of another user files that it can open again", async () => {
    await using keeper = await startWith("user nobody\n");
    using client = await keeper.connect();
    const { id } = await client.spawned({
      argv: ["/bin/sh", "-c", "echo out > /dev/stdout; echo err > /dev/stderr"],
      more: [u32(Tag.uid, 65534)],
    });
    await client.exited(id);
    assert.deepEqual([keeper.log(id), keeper.log(id, "stderr")], ["out\n", "err\n"]);
    const directory = join(keeper.directory, id.toString("hex"));
    assert.deepEqual(
      ["stdout", "stderr", "offsets", ""].map((name) => statSync(join(directory, name)).uid),
      [65534, 65534, 0, 0],
    );
  });

  it("gives a worker of another user no limit above the keeper's own", async () => {
    const place = mkdtempSync(join(tmpdir(), "forkbus-keeper-"));
    writeFileSync(policy, "user nobody\n", { mode: 0o644 });
    await using keeper = await KeeperProcess.start({
      place,
      program: "/usr/bin/prlimit",
      before: ["--core=1000:2000", "--nofile=500:600", build("all")],
      args: ["--policy", policy, "--cgroup", "none"],
    });
    using client = await keeper.connect();
    const nobody = u32(Tag.uid, 65534);
    for (const limit of [
      rlimit(4, 1n, 2001n),
      rlimit(7, 1n, 601n),
      rlimit(4, 1n, 2n ** 64n - 1n),
    ]) {
      assert.deepEqual(await client.refused({ argv: ["/bin/true"], more: [nobody, limit] }), [
        Step.rlimit,
        errno.EPERM,
      ]);
    }
    const argv = ["/bin/cat", "/proc/self/limits"];
    const same = await client.spawned({ argv, more: [nobody, rlimit(7, 550n, 600n)] });
    assert.match(await output(client, keeper, same.id), /Max open files\s+550\s+600/);
    // Root without CAP_SYS_RESOURCE, as in a container, has no more rights than the worker here.
    const held = BigInt(
      `0x${/CapEff:\s+(\w+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "0"}`,
    );
    if ((held & (1n << 24n)) === 0n) return;
    const own = await client.spawned({ argv, more: [rlimit(4, 1n, 3000n)] });
    assert.match(await output(client, keeper, own.id), /Max core file size\s+1\s+3000/);
  });

  it("does not run as root for an owner who is not", async () => {
    await using keeper = await KeeperProcess.start({
      args: ["--owner", "nobody", "--group", "nogroup"],
    });
    using client = await keeper.connect();
    const id = newId();
    assert.deepEqual(await client.refused({ id, argv: ["/bin/true"], more: [u32(Tag.uid, 0)] }), [
      Step.request,
      errno.EPERM,
    ]);
    const plain = await client.spawned({ argv: ["/usr/bin/id", "-u"] });
    await client.exited(plain.id);
    assert.equal(keeper.log(plain.id), "65534\n");
  });

  it("is refused when others can write it, or when it names nobody", async () => {
    await assert.rejects(startWith("user nobody\n", 0o666), /nobody else can write/);
    await assert.rejects(startWith("user no-such-user\n"), /no such user/);
    await assert.rejects(startWith("usr nobody\n"), /expected user or group/);
  });
});
