import assert from "node:assert/strict";
import fc from "fast-check";
import { DomainError } from "../../../server/core/errors.js";
import {
  canonicalText,
  MIN_LOG_MAX_BYTES,
  type ProcessSpec,
  specBytes,
  validateGrace,
  validateSpec,
} from "../../../server/processes/process-spec.js";
import { exec, specOf } from "./fixture.js";

const NOFILE = "RLIMIT_NOFILE";

describe("the validation of a spec", () => {
  const refused: readonly (readonly [Partial<ProcessSpec>, string, string, RegExp])[] = [
    [{ target: exec([""]) }, "spec.exec.argv", "", /Nothing to run/],
    [{ target: exec(["a"], "a\0b") }, "spec.exec.path", "a?b", /NUL/],
    [
      { target: exec(["x"], "x".repeat(4096)) },
      "spec.exec.path",
      "x".repeat(100),
      /4096 bytes, at most 4095/,
    ],
    [{ target: exec(["a", "b\0"]) }, "spec.exec.argv", "a b?", /NUL/],
    [
      { target: exec(["é".repeat(524_289)], "é") },
      "spec.exec.argv",
      "é".repeat(100),
      /1048578 bytes/,
    ],
    [
      { target: exec(Array<string>(131_073).fill(""), "x") },
      "spec.exec.argv",
      "131073",
      /131073 entries/,
    ],
    [{ env: { "": "x" } }, "spec.env", "", /names are not empty/],
    [{ env: { "A=B": "x" } }, "spec.env", "A=B", /"A=B" cannot be/],
    [{ env: { "A\0": "x" } }, "spec.env", "A?", /NUL/],
    [{ env: { A: "\0" } }, "spec.env", "A", /NUL/],
    [{ env: { A: "x".repeat(1_048_574) } }, "spec.env", "1048577", /1048577 bytes/],
    [{ workingDir: "" }, "spec.working_dir", "", /absolute path, got ""/],
    [{ workingDir: "tmp" }, "spec.working_dir", "tmp", /absolute path, got "tmp"/],
    [{ workingDir: "/\0" }, "spec.working_dir", "/?", /NUL/],
    [{ workingDir: `/${"x".repeat(4095)}` }, "spec.working_dir", `/${"x".repeat(99)}`, /4096/],
    [{ runAs: "a\0" }, "spec.run_as.user", "a?", /NUL/],
    [{ runAs: "x".repeat(257) }, "spec.run_as.user", "x".repeat(100), /257 bytes/],
    [{ umask: 0o1000 }, "spec.umask", "512", /from 0 to 511, got 512/],
    [{ umask: -1 }, "spec.umask", "-1", /got -1/],
    [{ logMaxBytes: 65_535 }, "spec.log_retention.max_bytes", "65535", /from 65536/],
    [{ logMaxBytes: 2 ** 60 }, "spec.log_retention.max_bytes", String(2 ** 60), /from 65536/],
    [{ stop: { signal: 15, graceMs: -1 } }, "spec.stop.grace_ms", "-1", /got -1/],
    [
      { stop: { signal: 15, graceMs: 86_400_001 } },
      "spec.stop.grace_ms",
      "86400001",
      /to 86400000/,
    ],
    [{ cpus: { kind: "shared", count: 0 } }, "spec.cpus.count", "0", /from 1/],
    [{ cpus: { kind: "shared", count: 65_537 } }, "spec.cpus.count", "65537", /to 65536/],
    [{ cpus: { kind: "explicit", cpus: [] } }, "spec.cpus.cpus", "", /at least one CPU/],
    [
      { rlimits: [{ resource: "NOFILE", soft: 1n, hard: 1n }] },
      "spec.limits.rlimits",
      "NOFILE",
      /no resource limit "NOFILE"/,
    ],
    [
      { rlimits: [1n, 2n].map((soft) => ({ resource: NOFILE, soft, hard: null })) },
      "spec.limits.rlimits",
      NOFILE,
      /given twice/,
    ],
    [
      { rlimits: [{ resource: NOFILE, soft: 2n, hard: 1n }] },
      "spec.limits.rlimits",
      "RLIMIT_NOFILE=2:1",
      /above its hard limit/,
    ],
    [
      { rlimits: [{ resource: NOFILE, soft: null, hard: 1n }] },
      "spec.limits.rlimits",
      "RLIMIT_NOFILE=unlimited:1",
      /above its hard limit/,
    ],
  ];
  for (const [patch, field, value, message] of refused) {
    it(`names ${field} when it is ${JSON.stringify(value.slice(0, 30))}: ${message.source}`, () => {
      assert.throws(
        () => validateSpec(specOf(patch)),
        (error) => {
          assert.ok(error instanceof DomainError);
          assert.equal(error.code, "invalid-field");
          assert.deepEqual(error.facts, { field, value });
          assert.match(error.message, message);
          return true;
        },
      );
    });
  }

  it("lets everything through that is just right", () => {
    const spec = specOf({
      target: exec(["x".repeat(1_048_576)], `/${"x".repeat(4094)}`),
      env: { A: "x".repeat(1_048_573) },
      runAs: "1000",
      umask: 0o777,
      logMaxBytes: MIN_LOG_MAX_BYTES,
      stop: { signal: 15, graceMs: 86_400_000 },
      cpus: { kind: "explicit", cpus: [0] },
      rlimits: [
        { resource: NOFILE, soft: 1n, hard: 1n },
        { resource: "RLIMIT_CORE", soft: null, hard: null },
        { resource: "RLIMIT_CPU", soft: 1n, hard: null },
      ],
    });
    assert.equal(validateSpec(spec), spec);
    const strings = specOf({
      target: exec(Array<string>(131_072).fill(""), "x"),
      cpus: { kind: "none" },
    });
    assert.equal(validateSpec(strings), strings);
  });

  it("names the field of a grace that is no whole number", () => {
    for (const value of [NaN, 0.5, Infinity]) {
      assert.throws(
        () => {
          validateGrace("grace_ms", value);
        },
        {
          facts: { field: "grace_ms", value: String(value) },
        },
      );
    }
    validateGrace("grace_ms", 0);
  });
});

describe("the canonical text of a value", () => {
  /** The same value, with the fields of its objects in another order. */
  function turned(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(turned);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .reverse()
        .map(([key, part]) => [key, turned(part)]),
    );
  }

  it("does not depend on the order of fields, at any depth", () => {
    fc.assert(
      fc.property(fc.object({ withBigInt: true }), (value) => {
        assert.equal(canonicalText(turned(value)), canonicalText(value));
      }),
    );
  });

  it("tells values apart", () => {
    const json = fc.jsonValue();
    fc.assert(
      fc.property(json, json, (a, b) => {
        const same = canonicalText(a) === canonicalText(b);
        assert.equal(same, canonicalText(JSON.parse(canonicalText(a))) === canonicalText(b));
      }),
    );
    const texts = [{ a: 1 }, { a: 1n }, { a: "1" }, { a: null }, { a: [1] }, {}].map(canonicalText);
    assert.equal(new Set(texts).size, texts.length);
    assert.notEqual(canonicalText(["a", "b"]), canonicalText(["b", "a"]));
  });
});

describe("the size of a spec", () => {
  it("counts arguments, and variables with their names", () => {
    assert.equal(specBytes(specOf({ target: exec(["ab", "c"]), env: { DE: "fgh", I: "" } })), 9);
    assert.equal(specBytes(specOf({ target: exec([], "x"), env: {} })), 0);
  });
});
