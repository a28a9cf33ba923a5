import assert from "node:assert/strict";
import { type LogOffset } from "../../../proto/gen/forkbus/v1/types.js";
import {
  LogGapReason,
  LogStream,
  type ReadLogsRequest,
  StdioMode,
} from "../../../proto/gen/forkbus/v1/process.js";
import { eventually } from "../../support/eventually.js";
import { ended, statusOf } from "./support/ended.js";
import { failure } from "./support/failure.js";
import { hasWritten, type Output, readOutput } from "./support/output-events.js";
import { sharedDaemon } from "./support/shared-daemon.js";

const KIB = 1024;

interface Extent {
  readonly begin: LogOffset;
  readonly end: LogOffset;
}

describe("ReadLogs", () => {
  const daemon = sharedDaemon();

  async function finished(
    script: string,
    spec: Parameters<ReturnType<typeof daemon>["create"]>[1] = {},
  ): Promise<string> {
    const { name } = await daemon().create(["sh", "-c", script], spec);
    await ended(daemon(), { name });
    return name;
  }

  const read = (name: string, request: Partial<ReadLogsRequest> = {}): Promise<Output> =>
    readOutput(daemon(), { name, ...request });

  const from = (epoch: bigint, offset: bigint): Pick<ReadLogsRequest, "start"> => {
    const position = { epoch, offset };
    return { start: { $case: "positions", value: { stdout: position, stderr: undefined } } };
  };

  const lastLines = (value: number): Pick<ReadLogsRequest, "start"> => ({
    start: { $case: "tailLines", value },
  });

  it("reads both streams, or one of them, and says where each ends", async () => {
    const name = await finished("echo out; echo error >&2");
    const both = await read(name);
    assert.equal(both.stdout.toString(), "out\n");
    assert.equal(both.stderr.toString(), "error\n");
    assert.deepEqual(
      both.ends
        .map(({ stream, position }) => [stream, position?.offset])
        .sort(([a], [b]) => Number(a) - Number(b)),
      [
        [LogStream.STDOUT, 4n],
        [LogStream.STDERR, 6n],
      ],
    );
    const { stdout, stderr, ends } = await read(name, { stream: LogStream.STDERR });
    assert.deepEqual([stdout.length, stderr.toString(), ends.length], [0, "error\n", 1]);
    const status = statusOf((await daemon().processes.getProcess({ name })).process);
    assert.equal(status.stdout?.end?.offset, 4n);
    assert.equal(status.stdout.closed, true);
    assert.equal(status.stderr?.end?.offset, 6n);
  });

  it("begins where it is told to", async () => {
    const name = await finished("printf 0123456789");
    for (const offset of [0, 1, 9, 10]) {
      const { stdout } = await read(name, from(0n, BigInt(offset)));
      assert.equal(stdout.toString(), "0123456789".slice(offset));
    }
    for (const request of [from(0n, 11n), from(1n, 0n)]) {
      const call = failure(async (options) => {
        for await (const _event of daemon().processes.readLogs({ name, ...request }, options));
      });
      assert.equal(await call, "OUT_OF_RANGE/OFFSET_FUTURE");
    }
  });

  it("begins with the last lines", async () => {
    const name = await finished("seq 1 50000; printf last");
    const tail = async (lines: number): Promise<string> =>
      (await read(name, lastLines(lines))).stdout.toString();
    assert.equal(await tail(0), "");
    assert.equal(await tail(1), "last");
    assert.equal(await tail(3), "49999\n50000\nlast");
    assert.equal((await tail(40_000)).split("\n")[0], "10002");
    assert.equal((await tail(100_000)).split("\n").length, 50_001);
  });

  it("ends at what was there when the call came, unless it follows", async () => {
    const script = "echo one; read _; echo two; read _; echo three >&2";
    const { name } = await daemon().create(["sh", "-c", script], { openStdin: true });
    await hasWritten(daemon(), name, "one");
    const following = read(name, { follow: true });
    const end = await read(name, lastLines(0));
    assert.equal(end.stdout.length, 0);
    assert.equal(end.ends.length, 2);
    await daemon().processes.writeStdin({ name, data: Buffer.from("\n") });
    await hasWritten(daemon(), name, "two");
    await daemon().processes.writeStdin({ name, offset: 1n, data: Buffer.from("\n") });
    const { stdout, stderr, ends } = await following;
    assert.deepEqual([stdout.toString(), stderr.toString()], ["one\ntwo\n", "three\n"]);
    assert.equal(ends.length, 2);
  });

  it("follows until the last descendant has written its last", async () => {
    const name = "slow-descendant";
    const script = "(sleep 0.2; echo late) & echo early";
    await daemon().create(["sh", "-c", script], { onExit: 2 }, { name });
    const { stdout } = await read(name, { follow: true });
    assert.equal(stdout.toString(), "early\nlate\n");
  });

  it("keeps the exact order of both streams when they are merged", async () => {
    const script = "for i in $(seq 1 200); do echo out$i; echo err$i >&2; done";
    const name = await finished(script, { mergeStderr: true });
    const { stdout, stderr } = await read(name);
    const lines = Array.from({ length: 200 }, (_, n) => `out${n + 1}\nerr${n + 1}\n`);
    assert.equal(stdout.toString(), lines.join(""));
    assert.equal(stderr.length, 0);
  });

  it("keeps nothing of a stream that goes nowhere", async () => {
    const script = "echo out; echo err >&2";
    const { NULL } = StdioMode;
    const silent = await read(await finished(script, { stdout: NULL }));
    assert.deepEqual([silent.stdout.toString(), silent.stderr.toString()], ["", "err\n"]);
    const quiet = await read(await finished(script, { stderr: NULL }));
    assert.deepEqual([quiet.stdout.toString(), quiet.stderr.toString()], ["out\n", ""]);
    const nothing = await read(await finished(script, { stdout: NULL, mergeStderr: true }));
    assert.deepEqual([nothing.stdout.toString(), nothing.stderr.toString()], ["", ""]);
  });

  it("shows what retention took as a gap, and keeps the end", async () => {
    const whole = Array.from({ length: 100_000 }, (_, n) => `${n + 100_000}\n`).join("");
    const maxBytes = BigInt(64 * KIB);
    const name = await finished("seq 100000 199999", { logRetention: { maxBytes } });
    const { stdout, gaps } = await read(name, { ...from(0n, 0n), stream: LogStream.STDOUT });
    assert.equal(gaps.length, 1);
    const [gap] = gaps;
    assert.equal(gap?.reason, LogGapReason.RETENTION);
    assert.deepEqual(gap.from, { epoch: 0n, offset: 0n });
    assert.equal(gap.to?.epoch, 0n);
    assert.equal(stdout.toString(), whole.slice(Number(gap.to.offset)));
    assert.ok(stdout.length >= 60 * KIB && stdout.length <= 68 * KIB, String(stdout.length));
    const { stdout: status } = statusOf((await daemon().processes.getProcess({ name })).process);
    assert.deepEqual(status?.begin, gap.to);
    assert.equal(status.end?.offset, BigInt(whole.length));
    // Who does not ask for the beginning is not told of the gap.
    const kept = await read(name);
    assert.deepEqual([kept.gaps.length, kept.stdout.equals(stdout)], [0, true]);
  });

  it("never skips a byte silently for a reader that follows a worker faster than retention", async () => {
    const maxBytes = BigInt(64 * KIB);
    const script = "for i in $(seq 1 40); do seq 100000 119999; sleep 0.05; done";
    const { name } = await daemon().create(["sh", "-c", script], { logRetention: { maxBytes } });
    // That chunks and gaps join is checked while reading.
    const { stdout, gaps, ends } = await read(name, { follow: true, stream: LogStream.STDOUT });
    const size = 40 * 20_000 * 7;
    assert.equal(ends[0]?.position?.offset, BigInt(size));
    const lost = gaps.map(({ from: a, to: b }) => Number((b?.offset ?? 0n) - (a?.offset ?? 0n)));
    assert.equal(stdout.length + lost.reduce((sum, bytes) => sum + bytes, 0), size);
    assert.doesNotMatch(stdout.toString("latin1"), /\0/);
  });

  it("begins a new epoch when the file is truncated", async () => {
    const script = "seq 1 50000; read _; : > /dev/stdout; echo after; read _; echo more";
    const spec = { openStdin: true, logRetention: { maxBytes: BigInt(64 * KIB) } };
    const { name } = await daemon().create(["sh", "-c", script], spec);
    const position = async (): Promise<Extent> => {
      const { process } = await daemon().processes.getProcess({ name });
      const { stdout } = statusOf(process);
      assert.ok(stdout?.begin && stdout.end);
      return { begin: stdout.begin, end: stdout.end };
    };
    // The keeper has seen the file at its full size: what it never saw is nothing that can be lost.
    const before = await eventually(position, ({ begin }) => begin.offset > 0n);
    const following = read(name, { follow: true, stream: LogStream.STDOUT });
    await daemon().processes.writeStdin({ name, data: Buffer.from("\n") });
    await hasWritten(daemon(), name, "after");
    await daemon().processes.writeStdin({ name, offset: 1n, data: Buffer.from("\n") });
    const { stdout, gaps } = await following;
    assert.match(stdout.toString(), /^(.*\n50000\n)?after\nmore\n$/s);
    assert.ok(gaps.length <= 1);
    const old = await read(name, {
      ...from(0n, before.end.offset),
      stream: LogStream.STDOUT,
    });
    assert.equal(old.stdout.toString(), "after\nmore\n");
    assert.equal(old.gaps[0]?.reason, LogGapReason.TRUNCATED);
    assert.deepEqual(old.gaps[0].to, { epoch: 1n, offset: 0n });
    await ended(daemon(), { name });
    assert.deepEqual((await position()).end, { epoch: 1n, offset: 11n });
  });

  it("notices a truncation that is quicker than the keeper's next look, when a reader was ahead of it", async () => {
    const script = "seq 1 100; read _; : > /dev/stdout; echo after; read _";
    const { name } = await daemon().create(["sh", "-c", script], { openStdin: true });
    const following = daemon().processes.readLogs({ name, follow: true, stream: LogStream.STDOUT });
    let text = "";
    const gaps: unknown[] = [];
    for await (const { event } of following) {
      if (event?.$case === "gap") gaps.push(event.value.reason);
      if (event?.$case !== "chunk") continue;
      text += Buffer.from(event.value.data).toString();
      if (text.endsWith("\n100\n")) {
        await daemon().processes.writeStdin({ name, data: Buffer.from("\n") });
      }
      if (text.endsWith("after\n")) await daemon().processes.closeStdin({ name });
    }
    assert.deepEqual(gaps, [LogGapReason.TRUNCATED]);
    assert.ok(text.endsWith("\n100\nafter\n"), text.slice(-40));
  });

  it("answers a reader that leaves in the middle, and others go on", async () => {
    const { name } = await daemon().create(["sh", "-c", "seq 1 200000; sleep 600"]);
    for await (const { event } of daemon().processes.readLogs({ name, follow: true })) {
      if (event?.$case === "chunk") break;
    }
    await hasWritten(daemon(), name, "\n200000\n");
    const { stdout } = await read(name, lastLines(2));
    assert.equal(stdout.toString(), "199999\n200000\n");
    await daemon().processes.deleteProcess({ name, force: true });
    assert.equal(
      await failure(async (options) => {
        for await (const _event of daemon().processes.readLogs({ name }, options));
      }),
      "NOT_FOUND/PROCESS_NOT_FOUND",
    );
  });
});
