import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { ended, outcomeOf } from "./support/ended.js";
import { failure } from "./support/failure.js";
import { hasWritten, readOutput } from "./support/output-events.js";
import { processState } from "./support/proc-fs.js";
import { sharedDaemon } from "./support/shared-daemon.js";

const OPEN = { openStdin: true };
const MIB = 1024 * 1024;
const NOT_OPEN = "FAILED_PRECONDITION/STDIN_NOT_OPEN";

const digest = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

describe("stdin of a worker", () => {
  const daemon = sharedDaemon();

  async function write(
    name: string,
    offset: number,
    data: string | Uint8Array,
    waitMs?: number,
  ): Promise<number> {
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    const request = { name, offset: BigInt(offset), data: bytes, waitMs };
    return Number((await daemon().processes.writeStdin(request)).nextOffset);
  }

  const writeFails = (name: string, offset: number, data: string): Promise<string> =>
    failure((options) =>
      daemon().processes.writeStdin(
        { name, offset: BigInt(offset), data: Buffer.from(data) },
        options,
      ),
    );

  it("takes each byte once, however often and in whatever pieces it is sent", async () => {
    const { name } = await daemon().create(["cat"], OPEN);
    assert.equal(await write(name, 0, ""), 0);
    assert.equal(await write(name, 0, "ab"), 2);
    assert.equal(await write(name, 0, "ab"), 2);
    assert.equal(await write(name, 0, "abcd"), 4);
    assert.equal(await write(name, 1, "bc"), 4);
    assert.equal(await write(name, 0, ""), 4);
    assert.equal(await writeFails(name, 5, "f"), "OUT_OF_RANGE/OFFSET_GAP");
    assert.equal(await write(name, 4, "e"), 5);
    await daemon().processes.closeStdin({ name });
    assert.equal((await daemon().output(name)).stdout, "abcde");
    assert.equal(outcomeOf(await ended(daemon(), { name })), "0");
  });

  it("ends where it is closed, and closing it twice does no harm", async () => {
    const { name } = await daemon().create(["sh", "-c", "cat; echo end; sleep 600"], OPEN);
    await write(name, 0, "x");
    await daemon().processes.closeStdin({ name });
    await daemon().processes.closeStdin({ name });
    await hasWritten(daemon(), name, "xend\n");
    assert.equal(await writeFails(name, 1, "y"), NOT_OPEN);
  });

  it("is empty unless it was asked for", async () => {
    const { name } = await daemon().create(["sh", "-c", "cat; readlink /proc/self/fd/0"]);
    assert.equal((await daemon().output(name)).stdout, "/dev/null\n");
    assert.equal(await writeFails(name, 0, "x"), NOT_OPEN);
    assert.equal(
      await failure((options) => daemon().processes.closeStdin({ name }, options)),
      NOT_OPEN,
    );
  });

  it("cannot be written when the worker has closed its end, or has ended", async () => {
    const script = "exec 0<&-; echo closed; sleep 600";
    const { name } = await daemon().create(["sh", "-c", script], OPEN);
    await hasWritten(daemon(), name, "closed");
    assert.equal(await writeFails(name, 0, "x"), NOT_OPEN);
    await daemon().processes.stopProcess({ name, stop: { graceMs: 0 } });
    assert.equal(await writeFails(name, 0, "x"), "FAILED_PRECONDITION/PROCESS_ENDED");
    await daemon().processes.closeStdin({ name });
  });

  it("takes what fits within the wait, and goes on when the worker reads", async () => {
    const { name } = await daemon().create(["sh", "-c", "kill -STOP $$; sha256sum"], OPEN);
    const data = randomBytes(300_000);
    const { pid } = (await daemon().processes.getProcess({ name })).process?.status ?? { pid: 0 };
    await eventually(
      () => processState(pid),
      (state) => state === "T",
    );
    const full = await write(name, 0, data, 0);
    assert.ok(full > 0 && full < data.length, String(full));
    assert.equal(await write(name, full, data.subarray(full), 30), full);
    const rest = write(name, full, data.subarray(full));
    await daemon().processes.signalProcess({ name, signal: "CONT" });
    assert.equal(await rest, data.length);
    await daemon().processes.closeStdin({ name });
    assert.equal((await daemon().output(name)).stdout, `${digest(data)}  -\n`);
  });

  it("stops waiting for room when the worker ends or the caller goes away", async () => {
    const { name } = await daemon().create(["sleep", "600"], OPEN);
    const data = randomBytes(MIB);
    const caller = new AbortController();
    const left = daemon().processes.writeStdin({ name, data }, { signal: caller.signal });
    await eventually(
      () => write(name, 0, ""),
      (next) => next > 0,
    );
    caller.abort();
    await assert.rejects(left);
    const call = failure((options) =>
      daemon().processes.writeStdin({ name, offset: 0n, data }, options),
    );
    await daemon().processes.stopProcess({ name });
    assert.equal(await call, "FAILED_PRECONDITION/PROCESS_ENDED");
  });

  it("refuses more than 1 MiB at once", async () => {
    const { name } = await daemon().create(["cat"], OPEN);
    const data = Buffer.alloc(MIB + 1);
    assert.equal(
      await failure((options) => daemon().processes.writeStdin({ name, data }, options)),
      "INVALID_ARGUMENT/INVALID_FIELD",
    );
    assert.equal(await write(name, 0, data.subarray(1)), MIB);
  });

  it("carries 3 MiB through cat, byte by byte the same", async () => {
    const { name } = await daemon().create(["cat"], OPEN);
    const data = randomBytes(3 * MIB);
    for (let offset = 0; offset < data.length; offset += MIB) {
      assert.equal(await write(name, offset, data.subarray(offset, offset + MIB)), offset + MIB);
    }
    await daemon().processes.closeStdin({ name });
    const { stdout } = await readOutput(daemon(), { name, follow: true });
    assert.equal(digest(stdout), digest(data));
  });

  it("goes on at the exact byte after the daemon was killed in the middle of a write", async () => {
    await using crashing = await DaemonHarness.start();
    const { name } = await crashing.create(["cat"], OPEN);
    const data = randomBytes(3 * MIB);
    let next = 0;
    for (let crashes = 0; next < data.length;) {
      const request = { name, offset: BigInt(next), data: data.subarray(next, next + MIB) };
      const call = crashing.processes.writeStdin(request);
      if (crashes++ < 2) {
        // Some of it has come through, most of it has not.
        const position = async (): Promise<number> => {
          const { process } = await crashing.processes.getProcess({ name });
          return Number(process?.status?.stdout?.end?.offset ?? 0n);
        };
        await eventually(position, (end) => end > next);
        await Promise.all([call.catch(() => undefined), crashing.crash()]);
        next = Number((await crashing.processes.writeStdin({ name })).nextOffset);
      } else {
        next = Number((await call).nextOffset);
      }
    }
    await crashing.processes.closeStdin({ name });
    const { stdout } = await readOutput(crashing, { name, follow: true });
    assert.equal(digest(stdout), digest(data));
  });
});
