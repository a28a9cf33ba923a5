import assert from "node:assert/strict";
import { Status } from "nice-grpc";
import {
  type Client,
  connect,
  type LogEvent,
  OutputGapError,
} from "../../../client/typescript/index.js";
import {
  LogGapReason,
  LogStream,
  ReadLogsResponse,
} from "../../../proto/gen/forkbus/v1/process.js";
import { FakeDaemon } from "../../support/fake-daemon.js";
import { FakeFailure } from "../../support/fake-daemon-failure.js";

describe("Output", () => {
  let daemon: FakeDaemon;
  let bus: Client;

  beforeEach(async () => {
    daemon = await FakeDaemon.start();
    bus = await connect(daemon.address, { reconnectMs: 5000 });
  });

  afterEach(async () => {
    bus.close();
    await daemon[Symbol.asyncDispose]();
  });

  const worker = (name: string) => daemon.processes.worker({ name, uid: "" });

  it("comes whole, whatever the cuts, as bytes, lines and text", async () => {
    const child = await bus.process({ argv: ["x"], name: "one" }).start();
    worker("one").write("stdout", "first\nzweite ö\n\nlast");
    worker("one").write("stderr", "oops");
    worker("one").end({ $case: "exitCode", value: 0 });
    const lines: string[] = [];
    for await (const line of child.stdout.lines()) lines.push(line);
    assert.deepEqual(lines, ["first", "zweite ö", "", "last"]);
    assert.equal(await child.stdout.text(), "first\nzweite ö\n\nlast");
    const parts: Uint8Array[] = [];
    for await (const bytes of child.stderr) parts.push(bytes);
    assert.equal(Buffer.concat(parts).toString(), "oops");
  });

  it("is followed over a restart of the daemon: no byte twice, none missing", async () => {
    const child = await bus.process({ argv: ["x"], name: "one" }).start();
    worker("one").write("stdout", "abcdefgh");
    let text = "";
    for await (const bytes of child.stdout) {
      text += Buffer.from(bytes).toString();
      if (text === "abcdefgh") {
        daemon.kill();
        worker("one").write("stdout", "ijkl");
        worker("one").end({ $case: "exitCode", value: 0 });
        await daemon.listen();
      }
    }
    assert.equal(text, "abcdefghijkl");
  });

  it("ends at what is there when it is not followed", async () => {
    const child = await bus.process({ argv: ["x"], name: "one" }).start();
    worker("one").write("stdout", "so far");
    assert.equal(await child.stdout.text({ follow: false }), "so far");
  });

  it("reports a gap as an event, and never as silence", async () => {
    const child = await bus.process({ argv: ["x"], name: "one" }).start();
    worker("one").gap = ReadLogsResponse.create({
      event: {
        $case: "gap",
        value: {
          stream: LogStream.STDOUT,
          from: { epoch: 0n, offset: 0n },
          to: { epoch: 0n, offset: 2n },
          reason: LogGapReason.RETENTION,
        },
      },
    });
    worker("one").write("stdout", "abcd");
    worker("one").end({ $case: "exitCode", value: 0 });
    const events: LogEvent[] = [];
    for await (const event of child.logs({ stream: "stdout" })) events.push(event);
    assert.deepEqual(events[0], {
      kind: "gap",
      stream: "stdout",
      from: { epoch: 0n, offset: 0n },
      to: { epoch: 0n, offset: 2n },
      reason: "retention",
    });
    await assert.rejects(child.stdout.text(), OutputGapError);
  });

  it("stops being read when the signal aborts", async () => {
    const child = await bus.process({ argv: ["x"] }).start();
    const aborting = new AbortController();
    const reading = child.stdout.text({ signal: aborting.signal });
    const reason = new Error("enough");
    aborting.abort(reason);
    await assert.rejects(reading, reason);
  });
});

describe("Input", () => {
  let daemon: FakeDaemon;
  let bus: Client;

  beforeEach(async () => {
    daemon = await FakeDaemon.start();
    bus = await connect(daemon.address, { reconnectMs: 5000 });
  });

  afterEach(async () => {
    bus.close();
    await daemon[Symbol.asyncDispose]();
  });

  const worker = (name: string) => daemon.processes.worker({ name, uid: "" });

  it("arrives in order and once, though answers are lost and the pipe is small", async () => {
    const child = await bus.process({ argv: ["cat"], name: "one", openStdin: true }).start();
    daemon.loseAnswer("WriteStdin");
    daemon.loseAnswer("WriteStdin");
    const first = child.stdin.write("The quick brown fox ");
    const second = child.stdin.write(Buffer.from("jumps over the lazy dog"));
    await child.stdin.end(".");
    await Promise.all([first, second]);
    assert.equal(worker("one").stdin.toString(), "The quick brown fox jumps over the lazy dog.");
    assert.equal(worker("one").stdinClosed, true);
  });

  it("goes on after what the worker already got, for a handle that was attached", async () => {
    const child = await bus.process({ argv: ["cat"], name: "one", openStdin: true }).start();
    await child.stdin.write("one ");
    const attached = await bus.attach("one");
    await attached.stdin.write("two");
    assert.equal(worker("one").stdin.toString(), "one two");
  });

  it("stays open when what belongs before its end could not be written", async () => {
    const child = await bus.process({ argv: ["cat"], name: "one", openStdin: true }).start();
    daemon.failNext("WriteStdin", new FakeFailure(Status.INTERNAL, "INTERNAL", "a fault"));
    await assert.rejects(child.stdin.end("half"), { code: "INTERNAL" });
    assert.equal(worker("one").stdinClosed, false);
    await child.stdin.end("whole");
    assert.equal(worker("one").stdin.toString(), "whole");
  });

  it("says when the worker no longer reads", async () => {
    const child = await bus.process({ argv: ["cat"], name: "one", openStdin: true }).start();
    await child.stdin.end();
    await assert.rejects(child.stdin.write("late"), { reason: "STDIN_NOT_OPEN" });
  });
});
