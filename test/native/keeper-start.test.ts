import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { type KeeperClient, newId } from "./support/keeper-client.js";
import { KeeperProcess } from "./support/keeper-process.js";
import { waitUntil } from "./support/wait-until.js";
import { rlimit, Step, Tag, Type, u32 } from "./support/wire.js";

const { errno } = constants;
const sleeper = ["/bin/sleep", "60"];

async function output(client: KeeperClient, keeper: KeeperProcess, id: Buffer): Promise<string> {
  await client.exited(id);
  return keeper.log(id);
}

for (const cgroup of ["auto", "none"]) {
  describe(`the keeper's start of a worker, cgroups ${cgroup}`, function () {
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

    /** A failed start leaves no directory, no cgroup leaf and no zombie. */
    async function leavesNothing(id: Buffer): Promise<void> {
      const hex = id.toString("hex");
      assert.equal(existsSync(join(keeper.directory, hex)), false);
      const group = /cgroups (\/\S+)/.exec(keeper.stderr)?.[1];
      if (group !== undefined) assert.equal(existsSync(join(group, hex)), false);
      await waitUntil("no child", () => keeper.children().length === 0);
    }

    it("tells every failure apart, and leaves nothing behind", async () => {
      const place = join(keeper.directory, "..");
      const file = join(place, "file");
      writeFileSync(file, "not a program");
      const unknown = join(place, "unknown");
      writeFileSync(unknown, "no known format");
      chmodSync(unknown, 0o755);
      execFileSync("mkfifo", [join(place, "fifo")]);
      const big = Array.from({ length: 3 }, () => "x".repeat(130_000));
      const cases: [string, Parameters<KeeperClient["spawn"]>[0], [number, number]][] = [
        ["no program", { argv: ["/nonexistent"] }, [Step.exec, errno.ENOENT]],
        ["not in PATH", { argv: ["nonexistent-program"] }, [Step.exec, errno.ENOENT]],
        ["not executable", { argv: [file] }, [Step.exec, errno.EACCES]],
        [
          "in PATH, denied",
          { argv: ["file"], env: [`PATH=/x:${place}`] },
          [Step.exec, errno.EACCES],
        ],
        ["a directory", { argv: ["/tmp"] }, [Step.exec, errno.EACCES]],
        ["no shell fallback", { argv: [unknown] }, [Step.exec, errno.ENOEXEC]],
        ["long argument", { argv: ["/bin/true", "x".repeat(140_000)] }, [Step.exec, errno.E2BIG]],
        [
          "small stack",
          { argv: ["/bin/true", ...big], more: [rlimit(3, 1n << 20n, 1n << 20n)] },
          [Step.exec, errno.E2BIG],
        ],
        ["no cwd", { argv: sleeper, cwd: "/nonexistent" }, [Step.cwd, errno.ENOENT]],
        ["cwd a file", { argv: sleeper, cwd: file }, [Step.cwd, errno.ENOTDIR]],
        ["cwd a fifo", { argv: sleeper, cwd: join(place, "fifo") }, [Step.cwd, errno.ENOTDIR]],
        [
          "no such rlimit",
          { argv: sleeper, more: [rlimit(99, 1n, 1n)] },
          [Step.rlimit, errno.EINVAL],
        ],
        [
          "soft over hard",
          { argv: sleeper, more: [rlimit(7, 9n, 5n)] },
          [Step.rlimit, errno.EINVAL],
        ],
        [
          "no such CPU",
          { argv: sleeper, more: [[Tag.cpus, Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0x80])]] },
          [Step.affinity, errno.EINVAL],
        ],
        [
          "not allowed user",
          { argv: sleeper, more: [u32(Tag.uid, 4321)] },
          [Step.request, errno.EPERM],
        ],
        ["NUL in argument", { argv: ["/bin/true", "a\0b"] }, [Step.request, errno.EINVAL]],
        ["no path", { argv: [""] }, [Step.request, errno.EINVAL]],
      ];
      for (const [what, options, expected] of cases) {
        const id = newId();
        assert.deepEqual(await client.refused({ ...options, id }), expected, what);
        await leavesNothing(id);
      }
      assert.equal((await client.list()).length, 0);
    });

    it("refuses an id that it knows, or whose directory exists, and spoils neither", async () => {
      const { id } = await client.spawned({ argv: sleeper });
      assert.deepEqual(await client.refused({ argv: sleeper, id }), [Step.request, errno.EEXIST]);
      const other = newId();
      mkdirSync(join(keeper.directory, other.toString("hex")));
      const refusal = await client.refused({ argv: sleeper, id: other });
      assert.deepEqual(refusal, [Step.directory, errno.EEXIST]);
      assert.ok(existsSync(join(keeper.directory, other.toString("hex"))));
      assert.equal((await client.list()).length, 1);
    });

    it("starts with exactly the descriptors, environment, directory and session asked for", async () => {
      const script =
        "ls -l /proc/self/fd; tr '\\0' '\\n' </proc/$$/environ; pwd; umask; cat /proc/$$/stat";
      const { id, pid, frame } = await client.spawned({
        argv: ["sh", "-c", script],
        env: ["PATH=/nowhere:/usr/bin:/bin", "A=1", "B=zwei drei"],
        cwd: "/usr",
        more: [u32(Tag.umask, 0o027)],
      });
      const text = await output(client, keeper, id);
      const open = [...text.matchAll(/ (\d+) -> (\S+)/g)].map((m) => [m[1], m[2]]);
      const log = join(keeper.directory, id.toString("hex"));
      assert.deepEqual(open.slice(0, 3), [
        ["0", "/dev/null"],
        ["1", `${log}/stdout`],
        ["2", `${log}/stderr`],
      ]);
      assert.equal(open.length, 4, `besides ls's own directory: ${text}`);
      const lines = text.split("\n");
      for (const wanted of ["A=1", "B=zwei drei", "/usr", "0027"])
        assert.ok(lines.includes(wanted), text);
      assert.equal(lines.filter((line) => line.includes("=")).length, 4, text);
      const stat = lines.find((line) => line.includes("(sh)"))?.split(" ") ?? [];
      assert.deepEqual(stat.slice(3, 6), [String(keeper.pid), String(pid), String(pid)]);
      assert.equal(BigInt(stat[21] ?? 0), frame.u64(Tag.startTicks));
      assert.ok(Math.abs(Number(frame.u64(Tag.startTimeNs) / 1_000_000n) - Date.now()) < 20_000);
    });

    it("gives a megabyte of arguments and environment unharmed", async () => {
      const argv = ["/bin/sh", "-c", 'echo $# "$1" "${12}" "$(printenv V9 | wc -c)"', "sh"];
      for (let i = 0; i < 12; i++) argv.push(String.fromCharCode(97 + i).repeat(90_000));
      const env = ["PATH=/usr/bin:/bin"];
      for (let i = 0; i < 10; i++) env.push(`V${i}=${"e".repeat(90_000)}`);
      const { id } = await client.spawned({ argv, env });
      const words = (await output(client, keeper, id)).trim().split(" ");
      assert.deepEqual([words[0], words[3]], ["12", "90001"]);
      assert.ok(words[1] === "a".repeat(90_000) && words[2] === "l".repeat(90_000));
      await waitUntil("small memory again", () => keeper.status("VmRSS") <= 2048);
    });

    it("pins to the CPUs asked for and reports what the kernel says", async () => {
      const { id, frame } = await client.spawned({
        argv: ["/bin/grep", "Cpus_allowed_list", "/proc/self/status"],
        more: [[Tag.cpus, Buffer.from([1])]],
      });
      assert.deepEqual([...frame.bytes(Tag.cpus)], [1]);
      assert.match(await output(client, keeper, id), /:\s+0\n/);
    });

    it("sets resource limits, and else leaves those that the keeper was started with", async () => {
      const { id } = await client.spawned({
        argv: ["/bin/cat", "/proc/self/limits"],
        more: [rlimit(4, 0n, 0n), rlimit(7, 100n, 200n)],
      });
      const limited = await output(client, keeper, id);
      assert.match(limited, /Max core file size\s+0\s+0/);
      assert.match(limited, /Max open files\s+100\s+200/);
      const plain = await client.spawned({ argv: ["/bin/cat", "/proc/self/limits"] });
      const mine = execFileSync("sh", ["-c", "ulimit -Hn"]).toString().trim();
      assert.match(
        await output(client, keeper, plain.id),
        new RegExp(`Max open files\\s+\\d+\\s+${mine}`),
      );
    });

    it("sends output where the flags say", async () => {
      const argv = ["/bin/sh", "-c", "echo out; echo err >&2"];
      const merged = await client.spawned({ argv, flags: 2 });
      assert.equal(await output(client, keeper, merged.id), "out\nerr\n");
      const silent = await client.spawned({ argv, flags: 4 | 8 });
      await client.exited(silent.id);
      const hex = silent.id.toString("hex");
      assert.equal(existsSync(join(keeper.directory, hex, "stdout")), false);
      assert.equal(existsSync(join(keeper.directory, hex, "stderr")), false);
      const plain = await client.spawned({ argv });
      assert.equal(await output(client, keeper, plain.id), "out\n");
      assert.equal(keeper.log(plain.id, "stderr"), "err\n");
    });

    it("puts the worker into a leaf of its own where there are leaves", async () => {
      const { pid, frame, id } = await client.spawned({ argv: sleeper });
      assert.equal(frame.has(Tag.cgroup), keeper.stderr.includes("cgroups /"));
      if (!frame.has(Tag.cgroup)) return;
      const leaf = frame.text(Tag.cgroup);
      assert.equal(readFileSync(join(leaf, "cgroup.procs"), "utf8").trim(), String(pid));
      await client.signal(id, 9);
      await client.exited(id);
      await client.acknowledge(id);
      await waitUntil("the leaf's end", () => !existsSync(leaf));
    });

    it("reports a table that is full", async () => {
      await using small = await KeeperProcess.start({
        args: ["--cgroup", cgroup, "--max-workers", "2"],
      });
      using own = await small.connect();
      const first = await own.spawned({ argv: ["/bin/true"] });
      await own.spawned({ argv: sleeper });
      assert.deepEqual(await own.refused({ argv: sleeper }), [Step.request, errno.EAGAIN]);
      await own.exited(first.id);
      await own.acknowledge(first.id);
      await own.spawned({ argv: sleeper });
    });

    it("reports a worker that is killed before its program runs as a failed start", async () => {
      for (let i = 0; i < 20; i++) {
        const id = client.spawn({ argv: ["/bin/true"] });
        client.send(Type.signal, [[Tag.id, id], u32(Tag.signal, 9), u32(Tag.scope, 0)]);
        const end = await waitUntil("its end", () =>
          client.frames.find(
            (f) =>
              [Type.exited, Type.spawnFailed].some((t) => t === f.type) &&
              f.bytes(Tag.id).equals(id),
          ),
        );
        if (end.type === Type.spawnFailed) {
          assert.equal(end.u32(Tag.errno), errno.EINTR);
          await leavesNothing(id);
        } else {
          assert.ok(
            client.frames.some((f) => f.type === Type.spawned && f.bytes(Tag.id).equals(id)),
          );
          await client.acknowledge(id);
        }
      }
    });
  });
}

describe("the keeper's start deadline", function () {
  this.timeout(30_000);
  before(function () {
    if (process.getuid?.() !== 0 || !existsSync("/dev/fuse")) this.skip();
  });

  for (const [what, step] of [
    ["cwd", Step.cwd],
    ["program", Step.exec],
  ] as const) {
    it(`names the step of a start whose ${what} is on a dead mount, and goes on`, async () => {
      await using keeper = await KeeperProcess.start({ args: ["--start-deadline-ms", "300"] });
      using client = await keeper.connect();
      const dead = join(keeper.directory, "../dead");
      mkdirSync(dead);
      // Mounts a file system that nobody answers for, and holds it until its stdin ends.
      const helper = `import ctypes, os, sys
fd = os.open("/dev/fuse", os.O_RDWR)
libc = ctypes.CDLL(None, use_errno=True)
options = f"fd={fd},rootmode=40000,user_id=0,group_id=0".encode()
if libc.mount(b"dead", sys.argv[1].encode(), b"fuse", 0, options) != 0: sys.exit(os.strerror(ctypes.get_errno()))
print("mounted", flush=True)
sys.stdin.read()
libc.umount2(sys.argv[1].encode(), 2)`;
      const mount = spawn("python3", ["-c", helper, dead], { stdio: ["pipe", "pipe", "inherit"] });
      let ended = false;
      mount.on("exit", () => (ended = true));
      try {
        let said = "";
        mount.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()));
        await waitUntil("the dead mount", () => said.includes("mounted"));
        const id = newId();
        const failing =
          what === "cwd" ? { argv: sleeper, cwd: `${dead}/x` } : { argv: [`${dead}/x`] };
        const before = performance.now();
        const spawning = client.refused({ ...failing, id });
        const beside = await client.spawned({ argv: ["/bin/true"] });
        await client.exited(beside.id);
        assert.deepEqual(await spawning, [step, errno.ETIMEDOUT]);
        assert.ok(performance.now() - before < 3000);
        assert.equal(existsSync(join(keeper.directory, id.toString("hex"))), false);
        assert.ok((await client.list()).every((worker) => !worker.bytes(Tag.id).equals(id)));
        await client.acknowledge(beside.id);
      } finally {
        mount.stdin.end();
        await waitUntil("the unmount", () => ended);
      }
      await waitUntil("the end of the stuck child", () => keeper.children().length === 0);
    });
  }
});
