import assert from "node:assert/strict";
import { readdirSync, readlinkSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { type KeeperClient, KeeperError, newId } from "./support/keeper-client.js";
import { build, KeeperProcess, processState } from "./support/keeper-process.js";
import { waitUntil } from "./support/wait-until.js";
import { Tag, Type } from "./support/wire.js";

const { errno } = constants;
const STDIN_PIPE = 1;

describe("the keeper's writing to a worker's stdin", function () {
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
  const failsWith = (code: number) => (error: unknown) =>
    error instanceof KeeperError && error.errno === code;
  const cat = async (): Promise<Buffer> =>
    (await client.spawned({ argv: ["/bin/cat"], flags: STDIN_PIPE })).id;

  it("counts offsets, takes repeated bytes once, and ends with EOF", async () => {
    const id = await cat();
    assert.equal((await client.writeStdin(id, 0n, "hello ")).u64(Tag.offset), 6n);
    assert.equal((await client.writeStdin(id, 0n, "hello ")).u64(Tag.offset), 6n);
    assert.equal((await client.writeStdin(id, 3n, "lo world")).u64(Tag.offset), 11n);
    await assert.rejects(client.writeStdin(id, 12n, "x"), (error: unknown) => {
      assert.ok(error instanceof KeeperError);
      assert.equal(error.frame.u64(Tag.offset), 11n);
      return error.errno === errno.ERANGE;
    });
    const closing = await client.writeStdin(id, 11n, "\n", true);
    assert.deepEqual([closing.u64(Tag.offset), closing.u32(Tag.close)], [12n, 1]);
    await client.exited(id);
    assert.equal(keeper.log(id), "hello world\n");
    const again = await client.writeStdin(id, 11n, "\n", true);
    assert.deepEqual(
      [again.u64(Tag.offset), again.u32(Tag.close)],
      [12n, 1],
      "a retry changes nothing",
    );
    await assert.rejects(client.writeStdin(id, 12n, "more"), failsWith(errno.EPIPE));
  });

  it("stays open and exact while the daemon is away", async () => {
    const id = await cat();
    await client.writeStdin(id, 0n, "before ");
    client.socket.destroy();
    using next = await keeper.connect();
    const [worker] = await next.list();
    assert.deepEqual([worker?.u64(Tag.offset), worker?.u32(Tag.close)], [7n, 0]);
    await next.writeStdin(id, 0n, "before after", true);
    await next.exited(id);
    assert.equal(keeper.log(id), "before after");
  });

  it("takes what fits, says when there is room, and closes only after everything", async () => {
    const { id, pid } = await client.spawned({ argv: ["/usr/bin/wc", "-c"], flags: STDIN_PIPE });
    await client.signal(id, 19);
    await waitUntil("its stop", () => processState(pid) === "T");
    const bytes = Buffer.alloc(65_536, 120);
    const first = await client.writeStdin(id, 0n, bytes);
    assert.equal(first.u64(Tag.offset), 65_536n);
    const second = await client.writeStdin(id, 65_536n, bytes, true);
    assert.deepEqual([second.u64(Tag.offset), second.u32(Tag.close)], [65_536n, 0]);
    await client.signal(id, 18);
    let offset = 65_536n;
    for (let close = 0; close === 0;) {
      const notice = await client.notice(Type.stdinReady, id);
      client.frames.splice(client.frames.indexOf(notice), 1);
      const reply = await client.writeStdin(
        id,
        offset,
        bytes.subarray(Number(offset - 65_536n)),
        true,
      );
      offset = reply.u64(Tag.offset);
      close = reply.u32(Tag.close);
    }
    assert.equal(offset, 131_072n);
    await client.exited(id);
    assert.equal(keeper.log(id), "131072\n");
    assert.equal(client.frames.filter((f) => f.type === Type.stdinReady).length, 0);
  });

  it("reports a reader that is gone, a worker without a pipe, and one that it does not know", async () => {
    const plain = await client.spawned({ argv: ["/bin/sleep", "60"] });
    await assert.rejects(client.writeStdin(plain.id, 0n, "x"), failsWith(errno.EPIPE));
    const closed = await client.spawned({
      argv: ["/bin/sh", "-c", "exec <&-; echo; exec sleep 60"],
      flags: STDIN_PIPE,
    });
    await waitUntil("its end of the pipe to close", () => keeper.log(closed.id) === "\n");
    await assert.rejects(client.writeStdin(closed.id, 0n, "x"), failsWith(errno.EPIPE));
    await assert.rejects(client.writeStdin(newId(), 0n, "x"), failsWith(errno.ESRCH));
    const id = await cat();
    await assert.rejects(client.writeStdin(id, 0n, Buffer.alloc(65_537)), failsWith(errno.EINVAL));
  });
});

describe("the keeper's writing to a full stdin that it cannot watch", function () {
  this.timeout(30_000);

  /** Executes a program for which the kernel refuses to add one descriptor to an epoll set. */
  const refusing = `import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
number = {"x86_64": 233, "aarch64": 21}[os.uname().machine]
load, equal, answer = 0x20, 0x15, 0x06
code = [(load, 0, 0, 0), (equal, 0, 5, number), (load, 0, 0, 24), (equal, 0, 3, 1),
        (load, 0, 0, 32), (equal, 0, 1, int(sys.argv[1])), (answer, 0, 0, 0x50000 | 28), (answer, 0, 0, 0x7fff0000)]
filter = b"".join(struct.pack("HBBI", *line) for line in code)
buffer = ctypes.create_string_buffer(filter)
program = struct.pack("HxxxxxxP", len(code), ctypes.addressof(buffer))
if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, program, 0, 0) != 0: sys.exit("no filter")
os.execv(sys.argv[2], sys.argv[2:])`;

  async function fillStdin(keeper: KeeperProcess): Promise<KeeperError | undefined> {
    using client = await keeper.connect();
    const { id } = await client.spawned({ argv: ["/bin/sleep", "60"], flags: STDIN_PIPE });
    const bytes = Buffer.alloc(65_536, 120);
    await client.writeStdin(id, 0n, bytes);
    return await client.writeStdin(id, 65_536n, bytes).then(
      () => undefined,
      (error: unknown) => {
        if (error instanceof KeeperError) return error;
        throw error;
      },
    );
  }

  it("answers an error with the offset, as no STDIN_READY would follow", async () => {
    const args = ["--cgroup", "none"];
    // Descriptors are given out in the same order each time, so that the second keeper's is known.
    let pipe: string | undefined;
    {
      await using keeper = await KeeperProcess.start({ args });
      assert.equal(await fillStdin(keeper), undefined);
      const directory = `/proc/${keeper.pid}/fd`;
      pipe = readdirSync(directory).find(
        (fd) => Number(fd) > 2 && readlinkSync(join(directory, fd)).startsWith("pipe:"),
      );
    }
    assert.ok(pipe !== undefined);
    await using keeper = await KeeperProcess.start({
      program: "/usr/bin/env",
      before: ["python3", "-c", refusing, pipe, build("all")],
      args,
    });
    const error = await fillStdin(keeper);
    assert.equal(error?.errno, errno.ENOSPC);
    assert.equal(error.frame.u64(Tag.offset), 65_536n);
  });
});
