import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { KeeperError } from "./support/keeper-client.js";
import { KeeperProcess } from "./support/keeper-process.js";
import { waitUntil } from "./support/wait-until.js";
import { type Position, Step, Tag, Type } from "./support/wire.js";

const { errno } = constants;
const shell = (script: string): string[] => ["/bin/sh", "-c", script];
const failsWith = (code: number) => (error: unknown) =>
  error instanceof KeeperError && error.errno === code;

describe("the keeper's care for logs", function () {
  this.timeout(30_000);
  const CAP = 65_536n;

  function recorded(
    keeper: KeeperProcess,
    id: Buffer,
    name: string,
  ): [epoch: bigint, begin: bigint] {
    const text = keeper.log(id, "offsets");
    assert.match(text, /^stdout \d{20} \d{20}\nstderr \d{20} \d{20}\n$/);
    const match = new RegExp(`^${name} (\\d+) (\\d+)$`, "m").exec(text);
    return [BigInt(match?.[1] ?? -1), BigInt(match?.[2] ?? -1)];
  }

  it("keeps the newest bytes within the cap, records where they begin, and frees the rest", async () => {
    await using keeper = await KeeperProcess.start();
    using client = await keeper.connect();
    const { id } = await client.spawned({
      argv: shell("head -c 1000000 /dev/zero | tr '\\0' x; printf end; exec sleep 60"),
      logMaxBytes: CAP,
    });
    const path = join(keeper.directory, id.toString("hex"), "stdout");
    await waitUntil("the output", () => statSync(path).size === 1_000_003);
    const logs = await client.ask(Type.scanLogs, [[Tag.id, id]]);
    const { epoch, begin, end } = logs.position(Tag.stdoutPosition);
    assert.deepEqual([epoch, end], [0n, 1_000_003n]);
    assert.ok(begin % 4096n === 0n && end - begin >= CAP && end - begin < CAP + 4096n);
    assert.deepEqual(recorded(keeper, id, "stdout"), [0n, begin]);
    assert.deepEqual(recorded(keeper, id, "stderr"), [0n, 0n]);
    const kept = readFileSync(path);
    assert.equal(
      kept.subarray(Number(begin)).toString(),
      `${"x".repeat(Number(end - begin) - 3)}end`,
    );
    assert.ok(kept.subarray(0, Number(begin)).every((byte) => byte === 0));
    assert.ok(statSync(path).blocks * 512 < 131_072);
  });

  it("does so by itself, also with no daemon, and gives final positions at the exit", async () => {
    await using keeper = await KeeperProcess.start();
    let id: Buffer;
    {
      using client = await keeper.connect();
      const script =
        "head -c 500000 /dev/zero; sleep 60 & wait; head -c 500000 /dev/zero >&2; exit 0";
      ({ id } = await client.spawned({ argv: shell(script), logMaxBytes: CAP }));
    }
    await waitUntil("a cut without a daemon", () => recorded(keeper, id, "stdout")[1] > 0n);
    using client = await keeper.connect();
    await client.signal(id, 15, 1);
    const end = await client.exited(id);
    const out: Position = end.position(Tag.stdoutPosition);
    assert.equal(out.end, 500_000n);
    assert.ok(out.begin > 400_000n);
  });

  it("starts a new epoch when somebody truncates the file", async () => {
    await using keeper = await KeeperProcess.start();
    using client = await keeper.connect();
    const { id } = await client.spawned({
      argv: shell("head -c 300000 /dev/zero; exec sleep 60"),
      logMaxBytes: CAP,
    });
    const path = join(keeper.directory, id.toString("hex"), "stdout");
    await waitUntil("the output", () => statSync(path).size === 300_000);
    const before = (await client.ask(Type.scanLogs, [[Tag.id, id]])).position(Tag.stdoutPosition);
    assert.ok(before.begin > 0n && before.epoch === 0n);
    truncateSync(path, 10);
    const after = (await client.ask(Type.scanLogs, [[Tag.id, id]])).position(Tag.stdoutPosition);
    assert.deepEqual(after, { epoch: 1n, begin: 0n, end: 10n });
    assert.deepEqual(recorded(keeper, id, "stdout"), [1n, 0n]);
  });

  it("keeps the old epoch until the new one could be written down", async () => {
    await using keeper = await KeeperProcess.start();
    using client = await keeper.connect();
    const { id } = await client.spawned({ argv: shell("head -c 3000 /dev/zero; exec sleep 60") });
    const directory = join(keeper.directory, id.toString("hex"));
    const scan = async (): Promise<Position> =>
      (await client.ask(Type.scanLogs, [[Tag.id, id]])).position(Tag.stdoutPosition);
    await waitUntil("the output", async () => (await scan()).end === 3000n);
    renameSync(join(directory, "offsets"), join(directory, "aside"));
    truncateSync(join(directory, "stdout"), 10);
    assert.deepEqual(await scan(), { epoch: 0n, begin: 0n, end: 3000n });
    renameSync(join(directory, "aside"), join(directory, "offsets"));
    assert.deepEqual(await scan(), { epoch: 1n, begin: 0n, end: 10n });
    assert.deepEqual(recorded(keeper, id, "stdout"), [1n, 0n]);
  });

  it("does not wait for a worker that has a lease on its file", async () => {
    await using keeper = await KeeperProcess.start();
    using client = await keeper.connect();
    const script = `import fcntl, os, signal
signal.signal(signal.SIGIO, signal.SIG_IGN)
os.write(1, b"x" * 300000)
name = os.readlink("/proc/self/fd/1")
os.dup2(os.open("/dev/null", os.O_RDWR), 1)
fd = os.open(name, os.O_RDONLY)
fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
os.write(2, b"leased")
signal.pause()`;
    const { id } = await client.spawned({
      argv: ["/usr/bin/env", "python3", "-c", script],
      env: [`PATH=${process.env["PATH"] ?? ""}`, `HOME=${process.env["HOME"] ?? ""}`],
      logMaxBytes: CAP,
    });
    await waitUntil("the lease", () => keeper.log(id, "stderr") === "leased");
    const before = performance.now();
    await client.ask(Type.scanLogs, [[Tag.id, id]]);
    assert.ok(performance.now() - before < 5000);
  });

  it("removes a worker's directory only when the worker is acknowledged, and only what it made", async () => {
    await using keeper = await KeeperProcess.start();
    using client = await keeper.connect();
    const { id } = await client.spawned({ argv: ["/bin/true"] });
    const remove = (): Promise<unknown> => client.ask(Type.remove, [[Tag.id, id]]);
    await client.exited(id);
    await assert.rejects(remove(), failsWith(errno.EBUSY));
    await client.acknowledge(id);
    const directory = join(keeper.directory, id.toString("hex"));
    mkdirSync(join(directory, "foreign"));
    await assert.rejects(remove(), failsWith(errno.ENOTEMPTY));
    rmSync(join(directory, "foreign"), { recursive: true });
    await remove();
    assert.equal(existsSync(directory), false);
    await remove();
  });

  for (const [args, group, directoryMode, fileMode, socketMode] of [
    [["--group", "54321"], 54321, "750", "640", "660"],
    [[], process.getgid?.(), "700", "600", "600"],
  ] as const) {
    it(`gives group and mode to what it makes, ${args.length === 0 ? "for itself" : "for a group"}`, async function () {
      if (process.getuid?.() !== 0) this.skip();
      await using keeper = await KeeperProcess.start({ args });
      using client = await keeper.connect();
      const { id } = await client.spawned({ argv: ["/bin/sleep", "60"] });
      const directory = join(keeper.directory, id.toString("hex"));
      const seen = (path: string): [string, number] => [
        (statSync(path).mode & 0o777).toString(8),
        statSync(path).gid,
      ];
      assert.deepEqual(seen(keeper.directory), [directoryMode, group]);
      assert.deepEqual(seen(directory), [directoryMode, group]);
      for (const name of ["stdout", "stderr", "offsets"])
        assert.deepEqual(seen(join(directory, name)), [fileMode, group]);
      assert.deepEqual(seen(keeper.socketPath), [socketMode, group]);
    });
  }

  describe("on a file system that fills up", () => {
    let place = "";
    before(function () {
      if (process.getuid?.() !== 0) this.skip();
      place = mkdtempSync(join(tmpdir(), "forkbus-full-"));
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", place]);
    });
    after(() => {
      if (place === "") return;
      execFileSync("umount", ["-l", place]);
      rmSync(place, { recursive: true });
    });

    it("cuts logs to a quarter while space is short, and survives when there is none", async () => {
      await using keeper = await KeeperProcess.start({
        directory: place,
        args: ["--reserve-bytes", "1048576"],
      });
      using client = await keeper.connect();
      const { id } = await client.spawned({
        argv: shell("head -c 700000 /dev/zero; exec sleep 60"),
        logMaxBytes: 800_000n,
      });
      const path = join(keeper.directory, id.toString("hex"), "stdout");
      await waitUntil("the output", () => statSync(path).size === 700_000);
      assert.equal(recorded(keeper, id, "stdout")[1], 0n);
      writeFileSync(join(place, "ballast"), Buffer.alloc(700_000));
      await waitUntil(
        "a cut",
        () => recorded(keeper, id, "stdout")[1] >= 700_000n - 200_000n - 4096n,
      );
      assert.match(keeper.stderr, /logs are cut/);
      try {
        writeFileSync(join(place, "ballast"), Buffer.alloc(4_000_000));
      } catch {
        // That is the point: the file system is full now.
      }
      const [step, code] = await client.refused({ argv: ["/bin/true"] });
      assert.ok(step === Step.files || step === Step.directory);
      assert.equal(code, errno.ENOSPC);
      rmSync(join(place, "ballast"));
      const fine = await client.spawned({ argv: shell("echo fine") });
      await client.exited(fine.id);
      assert.equal(keeper.log(fine.id), "fine\n");
    });
  });
});
