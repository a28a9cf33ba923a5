import assert from "node:assert/strict";
import { DomainError, type DomainErrorCode } from "../../../server/core/errors.js";
import type { SpawnStep } from "../../../server/processes/keeper.js";
import { spawnError } from "../../../server/processes/spawn-error.js";
import { exec, specOf } from "./fixture.js";

const STEPS = [
  "request",
  "directory",
  "files",
  "cgroup",
  "clone",
  "session",
  "rlimit",
  "affinity",
  "user",
  "cwd",
  "exec",
] as const satisfies readonly SpawnStep[];

const spec = specOf({
  target: exec(["tool"], "/bin/tool"),
  workingDir: "/some/where",
  runAs: "worker",
  cpus: { kind: "explicit", cpus: [3, 5] },
  rlimits: [
    { resource: "RLIMIT_NOFILE", soft: 1n, hard: 1n },
    { resource: "RLIMIT_CORE", soft: 1n, hard: 1n },
  ],
});

function failure(step: SpawnStep, errno: string, of = spec): DomainError {
  const error = spawnError({ step, errno, message: "" }, of);
  assert.ok(error instanceof DomainError, `${step} ${errno} is not expected: ${error.message}`);
  return error;
}

describe("why a worker could not be started", () => {
  it("has a code for each step and error number", () => {
    const table: readonly (readonly [SpawnStep, string, DomainErrorCode])[] = [
      ["exec", "ENOENT", "executable-not-found"],
      ["exec", "ENOTDIR", "executable-not-found"],
      ["exec", "EACCES", "executable-not-runnable"],
      ["exec", "ENOEXEC", "executable-not-runnable"],
      ["exec", "E2BIG", "executable-not-runnable"],
      ["exec", "ETXTBSY", "executable-not-runnable"],
      ["exec", "EIO", "executable-not-runnable"],
      ["cwd", "ENOENT", "working-dir-invalid"],
      ["cwd", "EACCES", "working-dir-invalid"],
      ["rlimit", "EPERM", "invalid-field"],
      ["affinity", "EINVAL", "cpu-unknown"],
      ["user", "EPERM", "run-as-denied"],
      ["request", "EPERM", "run-as-denied"],
      ["request", "ESHUTDOWN", "draining"],
      ["directory", "ENOSPC", "disk-full"],
      ["files", "EDQUOT", "disk-full"],
    ];
    for (const [step, errno, code] of table) {
      assert.equal(failure(step, errno).code, code, `${step} ${errno}`);
    }
  });

  it("tells a fork server that is late from a kernel that is", () => {
    const late = failure("birth", "ETIMEDOUT");
    assert.equal(late.code, "start-timed-out");
    assert.match(late.message, /^What \/bin\/tool is to be forked from did not answer in time/);
    for (const step of ["birth", "specification"] as const) {
      assert.equal(failure(step, "ETIME").message, late.message);
    }
  });

  it("is the same at every step for time, signals and resources that ran out", () => {
    for (const step of STEPS) {
      const late = failure(step, "ETIMEDOUT");
      assert.equal(late.code, "start-timed-out");
      assert.deepEqual(late.facts, { step });
      assert.match(late.message, step === "cwd" ? /: \/some\/where$/ : /: \/bin\/tool$/);
      assert.equal(failure(step, "EINTR").code, "start-interrupted");
      for (const errno of ["EAGAIN", "ENOMEM", "EMFILE", "ENFILE"]) {
        const exhausted = failure(step, errno);
        assert.equal(exhausted.code, "host-exhausted");
        assert.deepEqual(exhausted.facts, { resource: step, errno });
        assert.equal(exhausted.retryAfterMs, 1000);
      }
    }
  });

  it("is a fault of ours where no caller can have caused it", () => {
    for (const [step, errno] of [
      ["request", "EINVAL"],
      ["directory", "EIO"],
      ["files", "EACCES"],
      ["cgroup", "EBUSY"],
      ["clone", "EINVAL"],
      ["session", "EPERM"],
    ] as const) {
      const error = spawnError({ step, errno, message: "" }, spec);
      assert.ok(!(error instanceof DomainError), `${step} ${errno}`);
      assert.match(error.message, new RegExp(`${step} failed with ${errno}`));
    }
  });

  it("names what the caller gave", () => {
    assert.deepEqual(failure("exec", "ENOENT").facts, {
      path: "/bin/tool",
      errno: "ENOENT",
      step: "exec",
    });
    assert.deepEqual(failure("cwd", "ENOENT").facts, { path: "/some/where", errno: "ENOENT" });
    assert.deepEqual(failure("rlimit", "EPERM").facts, {
      field: "spec.limits.rlimits",
      value: "RLIMIT_NOFILE,RLIMIT_CORE",
    });
    assert.deepEqual(failure("affinity", "EINVAL").facts, { cpu: "3,5" });
    assert.deepEqual(failure("user", "EPERM").facts, { user: "worker" });
  });

  it("says where a program was looked for", () => {
    assert.doesNotMatch(failure("exec", "ENOENT").message, /PATH/);
    assert.match(
      failure("exec", "ENOENT", specOf({ target: exec(["tool"]) })).message,
      /in the PATH/,
    );
    assert.match(failure("exec", "ENOEXEC").message, /#!\/bin\/sh \(ENOEXEC\)$/);
    assert.match(failure("exec", "EIO").message, /: EIO$/);
  });
});
