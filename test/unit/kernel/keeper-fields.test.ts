import assert from "node:assert/strict";
import fc from "fast-check";
import { sorted } from "../../../server/cpus/cpu-set.js";
import {
  decodeEnd,
  decodeKeptWorker,
  decodeSpawnFailure,
  decodeWelcome,
  decodeWorker,
  unexpectedError,
} from "../../../server/kernel/keeper/keeper-decode.js";
import { adoptionFields, spawnFields } from "../../../server/kernel/keeper/keeper-encode.js";
import { field, Fields } from "../../../server/kernel/keeper/keeper-fields.js";
import { type Field, type Frame, Tag } from "../../../server/kernel/keeper/keeper-frame.js";
import { spawnOrderOf, uidOf } from "../processes/fixture.js";

const KEEPER = { instance: "ab", bootId: "boot", pidNamespace: 9n };

function frame(...fields: readonly Field[]): Frame {
  return { type: 0, request: 1, fields };
}

function fieldsOf(...fields: readonly Field[]): Fields {
  return new Fields(frame(...fields));
}

function u64s(tag: Field[0], values: readonly bigint[]): Field {
  return [tag, Buffer.concat(values.map((value) => field.u64(Tag.offset, value)[1]))];
}

describe("fields of the keeper protocol", () => {
  it("come back as they were", () => {
    const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    const cpus = fc.array(fc.nat(300), { minLength: 1 }).map(sorted);
    fc.assert(
      fc.property(
        fc.nat(0xffff_ffff),
        u64,
        fc.string({ unit: "grapheme" }),
        fc.nat(),
        cpus,
        (number, large, text, id, set) => {
          assert.equal(fieldsOf(field.u32(Tag.pid, number)).u32(Tag.pid), number);
          assert.equal(fieldsOf(field.u64(Tag.offset, large)).u64(Tag.offset), large);
          assert.equal(fieldsOf(field.text(Tag.path, text)).text(Tag.path), text);
          assert.equal(fieldsOf(field.uid(Tag.id, uidOf(id))).uid(Tag.id), uidOf(id));
          assert.deepEqual(fieldsOf(field.cpus(Tag.cpus, set)).cpus(Tag.cpus), set);
          assert.deepEqual(fieldsOf(u64s(Tag.usage, [large, 1n])).u64s(Tag.usage, 2), [large, 1n]);
        },
      ),
    );
    assert.deepEqual(fieldsOf(field.cpus(Tag.cpus, [])).cpus(Tag.cpus), []);
  });

  it("name themselves when they are missing or of the wrong size", () => {
    const fields = fieldsOf(field.text(Tag.pid, "abc"), field.bytes(Tag.id, Buffer.alloc(15)));
    assert.equal(fields.has(Tag.pid), true);
    assert.equal(fields.has(Tag.offset), false);
    assert.throws(() => fields.u32(Tag.pid), /Field 16 of the keeper's frame 0 is malformed/);
    assert.throws(() => fields.u64(Tag.offset), /Field 26 of .* is missing/);
    assert.throws(() => fields.u64s(Tag.pid, 3), /malformed/);
    assert.throws(() => fields.uid(Tag.id), /an id that is none/);
  });
});

describe("orders to the keeper", () => {
  const order = spawnOrderOf(uidOf(5));

  function all(fields: readonly Field[], tag: number): readonly Buffer[] {
    return fields.filter(([found]) => found === tag).map(([, value]) => Buffer.from(value));
  }

  it("hold everything, arguments and limits in order", () => {
    const fields = spawnFields({
      ...order,
      path: "/bin/x",
      argv: ["x", "", "ä"],
      env: { A: "1=2", B: "" },
      workingDir: "/w",
      umask: 0o077,
      logMaxBytes: 2 ** 40,
      user: { uid: 4_000_000_000, gid: 0 },
      cpus: [0, 9],
      rlimits: [
        { resource: "RLIMIT_NOFILE", soft: 1n, hard: null },
        { resource: "RLIMIT_CORE", soft: 0n, hard: 2n },
      ],
    });
    const found = fieldsOf(...fields);
    assert.equal(found.uid(Tag.id), uidOf(5));
    assert.equal(found.text(Tag.path), "/bin/x");
    assert.deepEqual(all(fields, Tag.arg).map(String), ["x", "", "ä"]);
    assert.deepEqual(all(fields, Tag.env).map(String), ["A=1=2", "B="]);
    assert.equal(found.text(Tag.cwd), "/w");
    assert.equal(found.u32(Tag.umask), 0o077);
    assert.equal(found.u64(Tag.logMaxBytes), 2n ** 40n);
    assert.equal(found.u32(Tag.uid), 4_000_000_000);
    assert.equal(found.u32(Tag.gid), 0);
    assert.deepEqual(found.cpus(Tag.cpus), [0, 9]);
    const limits = all(fields, Tag.rlimit).map((bytes) => [
      bytes.readUInt32LE(0),
      bytes.readBigUInt64LE(4),
      bytes.readBigUInt64LE(12),
    ]);
    assert.deepEqual(limits, [
      [7, 1n, 2n ** 64n - 1n],
      [4, 0n, 2n],
    ]);
  });

  it("leave out the user and the CPUs that are not given", () => {
    const found = fieldsOf(...spawnFields(order));
    for (const tag of [Tag.uid, Tag.gid, Tag.cpus, Tag.rlimit]) assert.equal(found.has(tag), false);
  });

  it("have one flag for each choice", () => {
    const flags = (patch: Partial<typeof order>): number =>
      fieldsOf(...spawnFields({ ...order, ...patch })).u32(Tag.flags);
    assert.equal(flags({}), 0);
    assert.equal(flags({ openStdin: true }), 1);
    assert.equal(flags({ mergeStderr: true }), 2);
    assert.equal(flags({ stdout: "null" }), 4);
    assert.equal(flags({ stderr: "null" }), 8);
    assert.equal(flags({ onExit: "wait-tree" }), 16);
    const terms = fieldsOf(...adoptionFields({ onExit: "wait-tree", logMaxBytes: 70_000 }));
    assert.equal(terms.u32(Tag.flags), 16);
    assert.equal(terms.u64(Tag.logMaxBytes), 70_000n);
  });
});

describe("what the keeper tells", () => {
  const worker = [
    field.uid(Tag.id, uidOf(1)),
    field.u32(Tag.pid, 42),
    field.u64(Tag.startTicks, 77n),
    field.u64(Tag.startTimeNs, 1_700_000_000_123_456_789n),
  ];
  const end = [
    field.u32(Tag.tree, 1),
    field.u32(Tag.exitCodeKind, 1),
    field.u32(Tag.exitValue, 3),
    field.u64(Tag.endTimeNs, 1_700_000_001_000_000_000n),
    u64s(Tag.usage, [1n, 2n, 3n, 4n, 5n, 6n, 7n]),
    u64s(Tag.stdoutPosition, [1n, 2n, 3n]),
    u64s(Tag.stderrPosition, [0n, 0n, 9n]),
  ];

  it("is who it is and what it can do", () => {
    const welcome = [
      field.bytes(Tag.instance, Buffer.from("00ff", "hex")),
      field.text(Tag.bootId, "boot"),
      field.u64(Tag.pidNamespace, 4_026_531_836n),
      field.text(Tag.keeperVersion, "1.2"),
      field.u32(Tag.pid, 5),
      field.u32(Tag.features, 0b1_0110_1001),
      field.u32(Tag.maxWorkers, 10),
      field.text(Tag.directory, "/d"),
    ];
    assert.deepEqual(decodeWelcome(frame(...welcome)), {
      identity: { instance: "00ff", bootId: "boot", pidNamespace: 4_026_531_836n },
      version: "1.2",
      pid: 5,
      features: {
        cgroupLeaves: true,
        cgroupKill: false,
        cloneIntoCgroup: false,
        punchHole: true,
        pidfdInfoExit: false,
        runAsOthers: true,
        controllers: ["memory", "cpu"],
      },
      maxWorkers: 10,
      directory: "/d",
      cgroup: null,
    });
    assert.equal(decodeWelcome(frame(...welcome, field.text(Tag.cgroup, "/c"))).cgroup, "/c");
    for (const [tag] of welcome) {
      const without = welcome.filter(([other]) => other !== tag);
      assert.throws(() => decodeWelcome(frame(...without)), new RegExp(`Field ${tag} .* missing`));
    }
  });

  it("is a worker, whose CPUs and cgroup may be unknown", () => {
    assert.deepEqual(decodeWorker(frame(...worker), KEEPER), {
      keeper: KEEPER,
      pid: 42,
      startTicks: 77n,
      startTimeMs: 1_700_000_000_123.456,
      cpus: [],
      cgroup: null,
    });
    const more = [field.cpus(Tag.cpus, [1, 8]), field.text(Tag.cgroup, "/leaf")];
    const { cpus, cgroup } = decodeWorker(frame(...worker, ...more), KEEPER);
    assert.deepEqual([cpus, cgroup], [[1, 8], "/leaf"]);
  });

  it("is a worker that is being started, lives, or has ended", () => {
    const starting = frame(field.uid(Tag.id, uidOf(1)), field.u32(Tag.state, 1));
    assert.deepEqual(decodeKeptWorker(starting, KEEPER), {
      uid: uidOf(1),
      worker: null,
      end: null,
      held: false,
      servesForks: false,
    });
    const alive = decodeKeptWorker(frame(...worker, field.u32(Tag.state, 2)), KEEPER);
    assert.deepEqual([alive.worker?.pid, alive.end], [42, null]);
    const ended = decodeKeptWorker(frame(...worker, field.u32(Tag.state, 3), ...end), KEEPER);
    assert.deepEqual([ended.worker?.pid, ended.end?.descendantsAlive], [42, true]);
  });

  it("is how one ended", () => {
    assert.deepEqual(decodeEnd(frame(...end)), {
      descendantsAlive: true,
      report: {
        outcome: { kind: "code", code: 3 },
        source: "waitid",
        usage: {
          userUs: 1n,
          systemUs: 2n,
          maxRssBytes: 3n,
          minorFaults: 4n,
          majorFaults: 5n,
          voluntarySwitches: 6n,
          involuntarySwitches: 7n,
        },
        endTimeMs: 1_700_000_001_000,
        output: { stdout: { epoch: 1, begin: 2, end: 3 }, stderr: { epoch: 0, begin: 0, end: 9 } },
      },
    });
    for (const [kind, coreDumped] of [
      [2, false],
      [3, true],
    ] as const) {
      const signalled = end.map((part) =>
        part[0] === Tag.exitCodeKind ? field.u32(Tag.exitCodeKind, kind) : part,
      );
      const outcome = { kind: "signal", number: 3, coreDumped };
      assert.deepEqual(decodeEnd(frame(...signalled)).report?.outcome, outcome);
    }
    const unknown = [0, 4].map((kind) =>
      frame(field.u32(Tag.tree, 0), field.u32(Tag.exitCodeKind, kind), field.u32(Tag.exitValue, 0)),
    );
    for (const each of unknown) {
      assert.deepEqual(decodeEnd(each), { report: null, descendantsAlive: false }, "none invented");
    }
  });

  it("is the step that failed and why", () => {
    const failure = (step: number, errno: number): unknown =>
      decodeSpawnFailure(frame(field.u32(Tag.step, step), field.u32(Tag.errno, errno)));
    assert.deepEqual(failure(1, 1), { step: "request", errno: "EPERM", message: "" });
    assert.deepEqual(failure(11, 2), { step: "exec", errno: "ENOENT", message: "" });
    assert.deepEqual(failure(11, 26), { step: "exec", errno: "ETXTBSY", message: "" });
    assert.deepEqual(failure(1, 108), { step: "request", errno: "ESHUTDOWN", message: "" });
    assert.deepEqual(failure(1, 9999), { step: "request", errno: "errno 9999", message: "" });
    for (const step of [0, 16]) assert.throws(() => failure(step, 2), /a step that is unknown/);
  });

  it("is an error with its own words", () => {
    const refused = frame(field.u32(Tag.errno, 22), field.text(Tag.message, "no path"));
    const error = unexpectedError(refused, "UPGRADE");
    assert.equal(error.message, "The keeper answers UPGRADE with EINVAL: no path");
    const stopping = unexpectedError(frame(field.u32(Tag.errno, 108)), "SIGNAL");
    assert.equal("code" in stopping && stopping.code, "draining");
  });
});
