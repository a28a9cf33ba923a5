import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import fc from "fast-check";
import * as proto from "../../../proto/gen/forkbus/v1/template.js";
import { FunctionTarget, Runtime } from "../../../proto/gen/forkbus/v1/types.js";
import {
  argumentBytes,
  fromFunction,
  fromResult,
  toFunction,
} from "../../../server/grpc/convert/function-target.js";
import { fromTemplate, toTemplateSpec } from "../../../server/grpc/convert/template.js";
import type { InitCall } from "../../../server/processes/fork-servers.js";
import type { TemplateRecord } from "../../../server/templates/template-record.js";
import { idle, type TemplateState } from "../../../server/templates/template-state.js";
import { failureOf } from "../../../server/templates/zygote-report.js";
import { uidOf } from "../processes/fixture.js";
import { REPORT, templateSpecOf } from "../templates/fixture.js";

describe("a function in the API", () => {
  it("is kept with how long its arguments are and what they hash to, not with the bytes", () => {
    const data = Buffer.from("[1, 2]");
    const target = FunctionTarget.fromPartial({
      function: "app:main",
      arguments: { encoding: "json", data },
    });
    const called = toFunction(target);
    const digest = createHash("sha256").update(data).digest("hex");
    assert.deepEqual(called.arguments, { encoding: "json", bytes: 6, digest });
    assert.deepEqual(argumentBytes(target), data);
    assert.equal(fromFunction(called).arguments?.data.length, 0);
  });

  it("has JSON where nothing is said, and results as its arguments are", () => {
    const {
      arguments: args,
      resultEncoding,
      mainFile,
    } = toFunction(FunctionTarget.fromPartial({}));
    assert.deepEqual(args, { encoding: "json", bytes: 0, digest: "" });
    assert.deepEqual([resultEncoding, mainFile], ["json", null]);
    const pickled = FunctionTarget.fromPartial({ arguments: { encoding: "pickle" } });
    assert.equal(toFunction(pickled).resultEncoding, "pickle");
    assert.equal(argumentBytes(undefined).length, 0);
  });

  it("gives back a value, and in lists only its size", () => {
    const value = {
      kind: "value",
      encoding: "raw",
      data: new Uint8Array([1, 2]),
      sizeBytes: 2,
    } as const;
    const whole = fromResult(value, false);
    assert.ok(whole.outcome.$case === "value");
    assert.deepEqual(whole.outcome.value, { encoding: "raw", data: Buffer.from([1, 2]) });
    const brief = fromResult(value, true);
    assert.ok(brief.outcome.$case === "value");
    assert.equal(brief.outcome.value.data.length, 0);
    assert.equal(brief.sizeBytes, 2n);
  });

  it("gives back an exception, and in lists what it is", () => {
    const payload = { encoding: "pickle", data: new Uint8Array([1]) };
    const exception = {
      kind: "exception",
      type: "E",
      message: "m",
      traceback: "t",
      payload,
      sizeBytes: 1,
    } as const;
    const whole = fromResult(exception, false);
    assert.ok(whole.outcome.$case === "exception");
    assert.deepEqual(whole.outcome.value.payload, { encoding: "pickle", data: Buffer.from([1]) });
    const brief = fromResult(exception, true);
    assert.ok(brief.outcome.$case === "exception");
    const { type, message, traceback, payload: left } = brief.outcome.value;
    assert.deepEqual([type, message, traceback, left], ["E", "m", "", undefined]);
    assert.equal(brief.sizeBytes, 1n);
    assert.equal(fromResult({ ...exception, payload: null, sizeBytes: 0 }, false).sizeBytes, 0n);
  });
});

const record: TemplateRecord = {
  uid: uidOf(1),
  name: "app",
  builtIn: false,
  owner: "uid:1",
  labels: { a: "1" },
  spec: templateSpecOf(),
  requestId: null,
  createTimeMs: 1500,
  revision: 4,
  generation: 2,
  former: null,
  zygotes: [],
  deleted: false,
};

function initOf({
  called,
  resultEncoding,
  data,
}: {
  readonly called: string;
  readonly resultEncoding: string;
  readonly data: Uint8Array;
}): InitCall {
  const digest = data.length === 0 ? "" : createHash("sha256").update(data).digest("hex");
  const summary = { encoding: "raw", bytes: data.length, digest };
  return { function: called, arguments: summary, resultEncoding, data };
}

function shown(state: TemplateState, spec = record.spec): proto.Template {
  return fromTemplate({ record: { ...record, spec }, state, forks: 0 }, 3, undefined);
}

describe("a template in the API", () => {
  it("has a spec that means the same after a way there and back, over the wire", () => {
    const text = fc.string({ unit: "grapheme", minLength: 1 });
    const name = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,20}$/);
    const spec = fc.record(
      {
        runtime: fc.constantFrom("python" as const, "node" as const),
        interpreter: fc.option(text),
        parent: fc.option(name),
        preload: fc.array(text),
        init: fc.option(
          fc.record({ called: text, resultEncoding: text, data: fc.uint8Array() }).map(initOf),
        ),
        env: fc.dictionary(fc.stringMatching(/^[A-Z]+$/), fc.string(), { noNullPrototype: true }),
        workingDir: fc.option(text),
        runAs: fc.option(text),
        preloadTimeoutMs: fc.integer({ min: 1, max: 600_000 }),
        warmWorkers: fc.nat(1024),
        modulePath: fc.array(text),
        keepFds: fc.array(text),
      },
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(spec, (original) => {
        const sent = shown(idle(1), original).spec ?? assert.fail("no spec");
        const bytes = proto.TemplateSpec.encode(sent).finish();
        const { init, ...rest } = toTemplateSpec(proto.TemplateSpec.decode(bytes));
        const { init: originalInit, ...originalRest } = original;
        assert.deepEqual(rest, originalRest);
        assert.deepEqual(
          init && { ...init, data: [...init.data] },
          originalInit && { ...originalInit, data: [...originalInit.data] },
        );
      }),
    );
  });

  it("is filled in where the client says nothing, but for its language", () => {
    const python = proto.TemplateSpec.fromPartial({ runtime: Runtime.PYTHON });
    assert.deepEqual(toTemplateSpec(python), templateSpecOf());
    for (const runtime of [Runtime.UNSPECIFIED, Runtime.UNRECOGNIZED]) {
      const spec = proto.TemplateSpec.fromPartial({ runtime });
      assert.throws(() => toTemplateSpec(spec), {
        facts: { field: "spec.runtime", value: String(runtime) },
      });
    }
    assert.throws(() => toTemplateSpec(undefined), { facts: { field: "spec", value: "" } });
  });

  it("says where it has come to", () => {
    const serving = { uid: uidOf(2), generation: 1, report: REPORT, sinceMs: 0 };
    const { IDLE, STARTING, READY, FAILED } = proto.TemplateState;
    const failure = { generation: 2, failure: failureOf("no app", "stderr"), passes: false };
    const states: readonly (readonly [Partial<TemplateState>, proto.TemplateState, bigint])[] = [
      [{}, IDLE, 0n],
      [{ loading: serving }, STARTING, 0n],
      [{ retrying: true }, STARTING, 0n],
      [{ serving, loading: serving }, READY, 1n],
      [{ serving, failure }, READY, 1n],
      [{ failure }, FAILED, 0n],
    ];
    for (const [patch, expected, generation] of states) {
      const { status } = shown({ ...idle(2), ...patch });
      assert.deepEqual(
        [status?.state, status?.servingGeneration, status?.newestGeneration, status?.warmWorkers],
        [expected, generation, 2n, 3],
      );
      assert.equal(status?.failure?.message, patch.failure === undefined ? undefined : "no app");
    }
    const why = "An unknown V8";
    const fallback = { generation: 2, why, report: { ...REPORT, canFork: false, why } };
    const spawned = shown({ ...idle(2), fallback }).status;
    assert.deepEqual(
      [spawned?.state, spawned?.spawnFallback, spawned?.servingGeneration],
      [READY, why, 2n],
    );
  });

  it("has the names, labels and times of its record", () => {
    const { name, uid, owner, labels, revision, createTime } = shown(idle(1));
    assert.deepEqual([name, owner, revision, labels], ["app", "uid:1", 4n, { a: "1" }]);
    assert.equal(uid, "00000000-0000-0000-0000-000000000001");
    assert.deepEqual(createTime, { seconds: 1n, nanos: 500_000_000 });
  });
});
