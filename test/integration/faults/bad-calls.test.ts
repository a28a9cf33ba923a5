import assert from "node:assert/strict";
import type { CallOptions } from "nice-grpc";
import {
  LogStream,
  ProcessState,
  SignalScope,
  StopOutcome,
  WaitCondition,
} from "../../../proto/gen/forkbus/v1/process.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { checkRefusal, drained, type Expected, refusalOf } from "./refusal.js";
import { checkStillWorks } from "./still-works.js";

const UNKNOWN_UID = "00000000-0000-4000-8000-000000000000";
const NOT_FOUND: Expected = { status: "NOT_FOUND/PROCESS_NOT_FOUND", names: ["missing"] };

describe("a call on a process that cannot be", () => {
  let daemon: DaemonHarness;
  let first: { readonly pid: number; readonly keeperPid: number | undefined };

  async function refused(
    expected: Expected,
    call: (options: CallOptions) => Promise<unknown>,
  ): Promise<void> {
    checkRefusal(await refusalOf(call), expected);
  }

  /** Every call that takes a name, as it is. */
  function callsOn(name: string, uid = ""): ((options: CallOptions) => Promise<unknown>)[] {
    const { processes } = daemon;
    return [
      (options) => processes.getProcess({ name, uid }, options),
      (options) => processes.waitProcess({ name, uid, waitMs: 0 }, options),
      (options) => processes.signalProcess({ name, uid, signal: "TERM" }, options),
      (options) => processes.stopProcess({ name, uid, waitMs: 0 }, options),
      (options) => processes.writeStdin({ name, uid, waitMs: 0 }, options),
      (options) => processes.closeStdin({ name, uid }, options),
      (options) => drained(processes.readLogs({ name, uid }, options)),
    ];
  }

  before(async () => {
    daemon = await DaemonHarness.start();
    first = { pid: daemon.pid, keeperPid: daemon.keeperPid };
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    await checkStillWorks(daemon, first);
  });

  it("says that there is no such process", async () => {
    for (const call of callsOn("missing")) await refused(NOT_FOUND, call);
    await daemon.processes.deleteProcess({ name: "missing" });
  });

  it("refuses names and uids that are none", async () => {
    const { processes } = daemon;
    const long = "a".repeat(129);
    for (const name of ["", "Upper", "nul\0", long]) {
      const expected = invalid("name", name.replace("\0", "\\u0000").slice(0, 40));
      for (const call of callsOn(name)) await refused(expected, call);
      await refused(expected, (options) => processes.deleteProcess({ name }, options));
    }
    for (const call of callsOn("missing", "no-uuid")) await refused(invalid("uid"), call);
  });

  it("refuses to take one process for another", async () => {
    const { name, uid } = await daemon.create(["sleep", "60"], { openStdin: true });
    const mismatch: Expected = { status: "ABORTED/UID_MISMATCH", names: [name] };
    for (const call of callsOn(name, UNKNOWN_UID)) await refused(mismatch, call);
    await refused(mismatch, (options) =>
      daemon.processes.deleteProcess({ name, uid: UNKNOWN_UID, force: true }, options),
    );
    const { process } = await daemon.processes.getProcess({ name, uid });
    assert.equal(process?.status?.state, ProcessState.RUNNING);
    await daemon.processes.deleteProcess({ name, uid, force: true });
  });

  it("refuses signals that are none, to whatever process", async () => {
    const { processes } = daemon;
    const { name } = await daemon.create(["sleep", "60"]);
    for (const signal of ["", "SIGTYPO", "0", "65", "-9", "SIGRTMIN+31", "SIG", "9 "]) {
      const unknown: Expected = {
        status: "INVALID_ARGUMENT/SIGNAL_UNKNOWN",
        names: [JSON.stringify(signal)],
      };
      await refused(unknown, (options) => processes.signalProcess({ name, signal }, options));
      if (signal === "") continue;
      await refused(unknown, (options) =>
        processes.stopProcess({ name, stop: { signal } }, options),
      );
    }
    await refused(invalid("scope"), (options) =>
      processes.signalProcess({ name, signal: "TERM", scope: SignalScope.UNRECOGNIZED }, options),
    );
    await refused(invalid("request_id", "a b"), (options) =>
      processes.signalProcess({ name, signal: "TERM", requestId: "a b" }, options),
    );
    await refused(invalid("request_id", "a b"), (options) =>
      processes.stopProcess({ name, requestId: "a b" }, options),
    );
    const { process } = await processes.getProcess({ name });
    assert.equal(process?.status?.state, ProcessState.RUNNING, "nothing reached the worker");
    await processes.deleteProcess({ name, force: true });
  });

  it("refuses a grace that no timer can hold, instead of killing at once", async () => {
    const { processes } = daemon;
    const { name } = await daemon.create(["sh", "-c", "trap '' TERM; echo on; sleep 60 & wait"]);
    for (const graceMs of [86_400_001, 0xffff_ffff]) {
      await refused(invalid("stop.grace_ms", String(graceMs)), (options) =>
        processes.stopProcess({ name, stop: { graceMs }, waitMs: 0 }, options),
      );
    }
    const { process } = await processes.getProcess({ name });
    assert.equal(process?.status?.state, ProcessState.RUNNING);
    const { outcome } = await processes.stopProcess({ name, stop: { graceMs: 0 } });
    assert.equal(outcome, StopOutcome.KILLED);
    await processes.waitProcess({ name, condition: WaitCondition.TREE_ENDED });
    await processes.deleteProcess({ name });
  });

  it("waits as long as it was told to, also when that is very long", async () => {
    const { processes } = daemon;
    const { name } = await daemon.create(["cat"], { openStdin: true });
    const waiting = processes.waitProcess({ name, waitMs: 0xffff_ffff });
    const many = drained(processes.waitProcesses({ names: [name], waitMs: 0xffff_ffff }));
    // An answer to a later call: a wait that overflowed its timer would have ended before it.
    const short = await processes.waitProcess({ name, waitMs: 100 });
    assert.equal(short.reached, false);
    await processes.closeStdin({ name });
    assert.equal((await waiting).reached, true);
    await many;
    await processes.deleteProcess({ name });
  });

  it("refuses calls on what has ended, and stdin that is not open", async () => {
    const { processes } = daemon;
    const { name } = await daemon.create(["true"]);
    await processes.waitProcess({ name });
    const ended: Expected = { status: "FAILED_PRECONDITION/PROCESS_ENDED", names: [name] };
    await refused(ended, (options) => processes.signalProcess({ name, signal: "TERM" }, options));
    const notOpen: Expected = { status: "FAILED_PRECONDITION/STDIN_NOT_OPEN", names: [name] };
    await refused(notOpen, (options) => processes.writeStdin({ name }, options));
    await refused(notOpen, (options) => processes.closeStdin({ name }, options));
    const { outcome } = await processes.stopProcess({ name });
    assert.equal(outcome, StopOutcome.ALREADY_ENDED);
    await processes.deleteProcess({ name });

    const open = (await daemon.create(["sh", "-c", "exec <&-; sleep 60"], { openStdin: true }))
      .name;
    await refused(
      { status: "OUT_OF_RANGE/OFFSET_GAP", names: [open, "goes on at 0", "from 7"] },
      (options) => processes.writeStdin({ name: open, offset: 7n, waitMs: 0 }, options),
    );
    await refused(
      { status: "FAILED_PRECONDITION/PROCESS_RUNNING", names: [open, "alive"] },
      (options) => processes.deleteProcess({ name: open }, options),
    );
    await refused(invalid("data", "1048577"), (options) =>
      processes.writeStdin({ name: open, data: new Uint8Array(1024 * 1024 + 1) }, options),
    );
    await processes.deleteProcess({ name: open, force: true });
  });

  it("refuses lists of names that cannot be waited for", async () => {
    const { processes } = daemon;
    const waitFor = (names: readonly string[], minReached = 0) => {
      return (options: CallOptions) =>
        drained(processes.waitProcesses({ names: [...names], minReached, waitMs: 0 }, options));
    };
    await refused(invalid("names", "0"), waitFor([]));
    await refused(invalid("names", "twice"), waitFor(["a", "b", "a"]));
    await refused(invalid("names", "Upper"), waitFor(["a", "Upper"]));
    await refused(invalid("min_reached", "3"), waitFor(["a", "b"], 3));
    const many = Array.from({ length: 10_001 }, (_, index) => `p-${index}`);
    await refused(invalid("names", "10001", "10000"), waitFor(many));
    await refused(invalid("condition"), (options) =>
      drained(
        processes.waitProcesses({ names: ["a"], condition: WaitCondition.UNRECOGNIZED }, options),
      ),
    );
    const answers = [];
    for await (const answer of processes.waitProcesses({ names: many.slice(1) })) {
      answers.push(answer);
    }
    assert.equal(answers.filter(({ reached }) => !reached).length, 10_000);
  });

  it("refuses pages and filters that are none", async () => {
    const { processes } = daemon;
    const list = (request: Parameters<typeof processes.listProcesses>[0]) => {
      return (options: CallOptions) => processes.listProcesses(request, options);
    };
    const token: Expected = { status: "INVALID_ARGUMENT/PAGE_TOKEN_INVALID", names: ["token"] };
    const json = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    for (const pageToken of ["x", "%", json([]), json(["", 1]), json(["wrong", "a"]), json(null)]) {
      await refused(token, list({ pageToken }));
    }
    await Promise.all([daemon.create(["true"]), daemon.create(["true"])]);
    const { nextPageToken } = await processes.listProcesses({ pageSize: 1 });
    assert.notEqual(nextPageToken, "");
    await refused(token, list({ pageToken: nextPageToken, namePrefix: "p" }));
    await refused(token, list({ pageToken: nextPageToken, states: [ProcessState.LOST] }));
    await refused(invalid("name_prefix", "Upper"), list({ namePrefix: "Upper" }));
    await refused(invalid("labels", "Upper"), list({ labels: { Upper: "" } }));
    await refused(invalid("states"), list({ states: [ProcessState.UNRECOGNIZED] }));
    await refused(invalid("states"), list({ states: [ProcessState.UNSPECIFIED] }));
    for (const { name } of (await processes.listProcesses({})).processes) {
      await processes.waitProcess({ name });
      await processes.deleteProcess({ name });
    }
  });

  it("refuses to read what is not there", async () => {
    const { processes } = daemon;
    const { name } = await daemon.create(["echo", "seven"]);
    await processes.waitProcess({ name });
    const read = (position: { epoch?: bigint; offset?: bigint }) => {
      return (options: CallOptions) =>
        drained(
          processes.readLogs(
            { name, start: { $case: "positions", value: { stdout: position } } },
            options,
          ),
        );
    };
    const future: Expected = { status: "OUT_OF_RANGE/OFFSET_FUTURE", names: ["stdout", "6"] };
    await refused(future, read({ offset: 7n }));
    await refused(future, read({ offset: (1n << 64n) - 1n }));
    await refused(future, read({ epoch: 1n }));
    await refused(invalid("stream"), (options) =>
      drained(processes.readLogs({ name, stream: LogStream.UNRECOGNIZED }, options)),
    );
    await processes.deleteProcess({ name });
  });

  it("knows an expired record from one that never was", async () => {
    await using forgetful = await DaemonHarness.start({ args: ["--retained-processes", "1"] });
    const { processes } = forgetful;
    const { name } = await forgetful.create(["true"], {}, { name: "old" });
    await processes.waitProcess({ name });
    await processes.waitProcess({ name: (await forgetful.create(["true"])).name });
    const gone = await refusalOf(async (options) => {
      for (;;) await processes.getProcess({ name }, options);
    });
    const expired: Expected = { status: "NOT_FOUND/RECORD_EXPIRED", names: ["old"] };
    checkRefusal(gone, expired);
    await forgetful.crash();
    await refused(expired, (options) => forgetful.processes.getProcess({ name }, options));
    await refused(NOT_FOUND, (options) =>
      forgetful.processes.getProcess({ name: "missing" }, options),
    );
  });
});

function invalid(...names: readonly (string | RegExp)[]): Expected {
  return { status: "INVALID_ARGUMENT/INVALID_FIELD", names };
}
