import assert from "node:assert/strict";
import fc from "fast-check";
import * as proto from "../../../proto/gen/forkbus/v1/process.js";
import { parseProcessUid } from "../../../server/core/ids.js";
import { CPU_LAYOUTS } from "../../../server/cpus/cpu-request.js";
import { sorted } from "../../../server/cpus/cpu-set.js";
import { fromRecord, nameOnly, toStateKind, toUid } from "../../../server/grpc/convert/process.js";
import { fromSpec, toSpec, toStopPolicy } from "../../../server/grpc/convert/process-spec.js";
import { type ProcessSpec, validateSpec } from "../../../server/processes/process-spec.js";
import type { FunctionTarget, Origin, Target } from "../../../server/processes/target.js";
import type { TreeLimits } from "../../../server/processes/tree-limits.js";
import type { ProcessState } from "../../../server/processes/process-state.js";
import { exitReport } from "../../support/fake-keeper.js";
import { exec, recordOf, specOf, uidOf, WORKER } from "../processes/fixture.js";

const text = fc.string({ unit: "grapheme", minLength: 1 });
const limit = fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }));
const plain = { noNullPrototype: true } as const;
const name = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,20}$/);
const absolutePath = text.map((rest) => `/${rest}`);
const origin: fc.Arbitrary<Origin> = fc.oneof(
  fc.record(
    { method: fc.constantFrom("spawn" as const, "forkserver" as const), template: name },
    plain,
  ),
  fc.record({ method: fc.constant("fork" as const), process: name }, plain),
);
// The bytes of arguments are not part of a spec, and are not sent back: only no bytes come back as they were.
const noArguments = { encoding: "pickle", bytes: 0, digest: "" };
const functionTarget: fc.Arbitrary<FunctionTarget> = fc.record(
  {
    kind: fc.constantFrom("python" as const, "node" as const),
    origin,
    function: text,
    arguments: fc.constant(noArguments),
    resultEncoding: text,
    modulePath: fc.array(absolutePath),
    mainFile: fc.option(absolutePath),
  },
  plain,
);
const target: fc.Arbitrary<Target> = fc.oneof(
  fc
    .tuple(fc.array(fc.string(), { minLength: 1 }), text)
    .map(([argv, path]): Target => exec(argv, path)),
  functionTarget,
);
const amount = fc.option(fc.integer({ min: 1, max: 2 ** 31 }));
const bytes = fc.option(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }));
const treeLimits: fc.Arbitrary<TreeLimits> = fc.record(
  {
    memoryMaxBytes: bytes,
    memoryHighBytes: bytes,
    pidsMax: amount,
    cpuWeight: amount,
    cpuMaxMilli: amount,
    bestEffort: fc.boolean(),
  },
  plain,
);
const specFields: fc.Arbitrary<ProcessSpec> = fc.record(
  {
    target,
    treeLimits,
    env: fc.dictionary(fc.stringMatching(/^[A-Z][A-Z0-9_]*$/), fc.string(), {
      noNullPrototype: true,
    }),
    workingDir: fc.option(absolutePath),
    runAs: fc.option(text),
    umask: fc.nat(0o777),
    openStdin: fc.boolean(),
    logMaxBytes: fc.integer({ min: 65_536, max: Number.MAX_SAFE_INTEGER }),
    cpus: fc.oneof(
      fc.record(
        { kind: fc.constant("shared" as const), count: fc.integer({ min: 1, max: 65_536 }) },
        { noNullPrototype: true },
      ),
      fc.record(
        {
          kind: fc.constant("exclusive" as const),
          count: fc.integer({ min: 1, max: 65_536 }),
          layout: fc.constantFrom(...CPU_LAYOUTS),
          maxWaitMs: fc.nat(86_400_000),
        },
        { noNullPrototype: true },
      ),
      fc.record(
        {
          kind: fc.constant("explicit" as const),
          cpus: fc.array(fc.nat(9000), { minLength: 1 }).map(sorted),
        },
        { noNullPrototype: true },
      ),
      fc.constant({ kind: "none" as const }),
    ),
    rlimits: fc.array(
      fc.record(
        { resource: fc.constantFrom("RLIMIT_CPU", "x"), soft: limit, hard: limit },
        { noNullPrototype: true },
      ),
    ),
    stop: fc.record(
      {
        // The C library keeps two signals for itself, which have no names.
        signal: fc.integer({ min: 1, max: 64 }).filter((number) => number !== 32 && number !== 33),
        graceMs: fc.nat(86_400_000),
      },
      { noNullPrototype: true },
    ),
    onExit: fc.constantFrom("kill-tree", "wait-tree"),
    stdout: fc.constantFrom("file", "null"),
    stderr: fc.constantFrom("file", "null"),
    mergeStderr: fc.boolean(),
  },
  plain,
);
/** A program has no fork server whose directory it could have. */
const spec = specFields.map((of) =>
  of.target.kind === "exec" ? { ...of, workingDir: of.workingDir ?? "/" } : of,
);

function request(patch: Parameters<typeof proto.ProcessSpec.fromPartial>[0]): ProcessSpec {
  const target = { $case: "exec" as const, value: { argv: ["tool", "-x"] } };
  return toSpec(proto.ProcessSpec.fromPartial({ target, ...patch }));
}

describe("the spec of a process in the API", () => {
  it("means the same after a way there and back, over the wire", () => {
    fc.assert(
      fc.property(spec, (original) => {
        const wire = proto.ProcessSpec.encode(fromSpec(original)).finish();
        assert.deepEqual(toSpec(proto.ProcessSpec.decode(wire)), original);
      }),
    );
  });

  it("is filled in where the client says nothing", () => {
    const filled = request({});
    assert.deepEqual(filled, specOf({ target: exec(["tool", "-x"]) }));
    assert.equal(validateSpec(filled), filled);
    const pathOnly = toSpec(
      proto.ProcessSpec.fromPartial({ target: { $case: "exec", value: { path: "/bin/a" } } }),
    );
    assert.deepEqual(pathOnly.target, exec(["/bin/a"]));
  });

  it("keeps what is zero on purpose", () => {
    assert.equal(request({ umask: 0 }).umask, 0);
    assert.deepEqual(request({ stop: { graceMs: 0 } }).stop, { signal: 15, graceMs: 0 });
    assert.deepEqual(request({ stop: { signal: "hup" } }).stop, { signal: 1, graceMs: 10_000 });
    assert.deepEqual(request({ limits: { rlimits: [{ resource: "x", soft: 0n }] } }).rlimits, [
      { resource: "x", soft: 0n, hard: null },
    ]);
    assert.deepEqual(toStopPolicy(undefined), {});
  });

  it("names CPUs in any order, and each once", () => {
    const cpus = { policy: proto.CpuPolicy.EXPLICIT, cpus: [3, 1, 3] };
    assert.deepEqual(request({ cpus }).cpus, { kind: "explicit", cpus: [1, 3] });
  });

  it("names the field that this daemon does not understand", () => {
    const cases: readonly (readonly [() => unknown, string, string])[] = [
      [() => toSpec(undefined), "spec.target", ""],
      [() => toSpec(proto.ProcessSpec.fromPartial({})), "spec.target", ""],
      [() => request({ runAs: {} }), "spec.run_as.user", ""],
      [() => request({ cpus: { policy: proto.CpuPolicy.UNRECOGNIZED } }), "spec.cpus.policy", "-1"],
      [() => request({ onExit: proto.OnExit.UNRECOGNIZED }), "spec.on_exit", "-1"],
      [() => request({ stdout: proto.StdioMode.UNRECOGNIZED }), "spec.stdout", "-1"],
      [() => request({ stderr: proto.StdioMode.UNRECOGNIZED }), "spec.stderr", "-1"],
    ];
    for (const [act, field, value] of cases) {
      assert.throws(act, { code: "invalid-field", facts: { field, value } });
    }
    assert.throws(() => request({ stop: { signal: "SIGNO" } }), { code: "signal-unknown" });
  });
});

describe("a process in the API", () => {
  const report = exitReport({ kind: "signal", number: 9, coreDumped: true });
  const stop = {
    principal: "uid:7",
    requestId: "r",
    signal: 10,
    deadlineMs: 0,
    escalated: false,
  };
  const exited: Extract<ProcessState, { kind: "exited" }> = {
    kind: "exited",
    worker: WORKER,
    exit: {
      ...report,
      cause: "stop-requested",
      requester: { principal: "uid:7", requestId: "r" },
      escalated: true,
    },
    descendantsAlive: false,
  };

  function shown(state: ProcessState, output?: Parameters<typeof fromRecord>[1]): proto.Process {
    return fromRecord(recordOf(state), output, undefined);
  }

  it("has the record's names, labels and times", () => {
    const record = recordOf(exited, { labels: { a: "1" }, createTimeMs: 1500.25, revision: 9 });
    const { name, uid, labels, revision, owner, createTime } = fromRecord(
      record,
      undefined,
      undefined,
    );
    assert.deepEqual([name, owner, revision, labels], ["one", "uid:1", 9n, { a: "1" }]);
    assert.equal(parseProcessUid(uid), uidOf(1));
    assert.deepEqual(createTime, { seconds: 1n, nanos: 500_250_000 });
    assert.deepEqual(nameOnly("x"), proto.Process.fromPartial({ name: "x" }));
  });

  it("has a worker when one was born", () => {
    const starting = shown({ kind: "starting", stop: null, keeper: WORKER.keeper }).status;
    assert.deepEqual([starting?.pid, starting?.startTime, starting?.bootId], [0, undefined, ""]);
    const running = shown({ kind: "running", worker: WORKER, signal: null }).status;
    assert.deepEqual(
      [running?.pid, running?.startTicks, running?.bootId, running?.cpus, running?.exit],
      [100, 1n, "boot-1", [0], undefined],
    );
  });

  it("says who ends it, and how", () => {
    const message = (escalated: boolean): string | undefined =>
      shown({ kind: "stopping", worker: WORKER, stop: { ...stop, escalated } }).status?.message;
    assert.equal(message(false), "Told to end with SIGUSR1 by uid:7");
    assert.equal(message(true), "Being killed on request of uid:7");
  });

  it("has ended with a signal, with who asked for it", () => {
    const exit = shown(exited).status?.exit;
    assert.deepEqual(exit?.outcome, {
      $case: "signal",
      value: { number: 9, name: "SIGKILL", coreDumped: true },
    });
    assert.equal(exit.cause, proto.ExitCause.STOP_REQUESTED);
    assert.equal(exit.source, proto.ExitSource.WAITID);
    assert.deepEqual([exit.requestedBy, exit.requestId, exit.succeeded], ["uid:7", "r", false]);
    assert.deepEqual(exit.endTime, { seconds: 0n, nanos: 2_000_000 });
  });

  it("has succeeded with code 0 alone", () => {
    for (const code of [0, 1, 255]) {
      const exit = shown({
        ...exited,
        exit: { ...exited.exit, outcome: { kind: "code", code } },
      }).status?.exit;
      assert.deepEqual(exit?.outcome, { $case: "exitCode", value: code });
      assert.equal(exit.succeeded, code === 0);
    }
  });

  it("is lost for a reason, and nothing is made up", () => {
    const loss = { reason: "reboot", message: "power cut", endTimeMs: 5000 } as const;
    const status = shown({ kind: "lost", worker: null, loss }).status;
    assert.deepEqual(status?.exit?.outcome, {
      $case: "lost",
      value: { reason: proto.LostReason.REBOOT, message: "power cut" },
    });
    assert.equal(status.exit.cause, proto.ExitCause.UNSPECIFIED);
    assert.equal(status.exit.succeeded, false);
    assert.deepEqual(
      [status.message, status.pid, status.exit.startTime],
      ["power cut", 0, undefined],
    );
  });

  it("has output that is closed when the whole tree has ended", () => {
    const output = {
      stdout: { epoch: 1, begin: 2, end: 3 },
      stderr: { epoch: 0, begin: 0, end: 0 },
    };
    assert.deepEqual(shown(exited, output).status?.stdout, {
      begin: { epoch: 1n, offset: 2n },
      end: { epoch: 1n, offset: 3n },
      closed: true,
    });
    const alive = shown({ ...exited, descendantsAlive: true }, output).status;
    assert.deepEqual([alive?.stdout?.closed, alive?.descendantsAlive], [false, true]);
    assert.equal(shown(exited).status?.stderr?.end?.offset, 0n, "as the keeper reported it");
    const running = shown({ kind: "running", worker: WORKER, signal: null }).status;
    assert.equal(running?.stdout, undefined, "nobody looked");
  });

  it("is found by its state", () => {
    const kinds = ["starting", "running", "stopping", "exited", "lost"] as const;
    const { STARTING, RUNNING, STOPPING, EXITED, LOST } = proto.ProcessState;
    assert.deepEqual([STARTING, RUNNING, STOPPING, EXITED, LOST].map(toStateKind), kinds);
    for (const state of [proto.ProcessState.UNSPECIFIED, proto.ProcessState.UNRECOGNIZED]) {
      assert.throws(() => toStateKind(state), { facts: { field: "states", value: String(state) } });
    }
  });

  it("is meant by its uid when the call says one", () => {
    assert.equal(toUid(""), null);
    assert.equal(toUid("00000000-0000-0000-0000-000000000001"), uidOf(1));
    assert.throws(() => toUid("x".repeat(100)), { facts: { field: "uid", value: "x".repeat(64) } });
  });
});
