import assert from "node:assert/strict";
import { type ProgramTarget } from "../../../client/typescript/process-options.js";
import { type RunOptions, type RunPlace, workerOptions } from "../../../cli/run-options.js";
import { UsageError } from "../../../cli/usage-error.js";

const none: RunOptions = {};
const here: RunPlace = {
  isLocal: true,
  workingDir: () => "/home/me",
  env: { LANG: "C" },
  stdinIsTerminal: false,
};
const elsewhere: RunPlace = { ...here, isLocal: false };

function programOf(argv: readonly string[], options: RunOptions): ProgramTarget {
  const worker = workerOptions(argv, options, here);
  assert.ok(worker.python === undefined && worker.node === undefined);
  return worker;
}

describe("the worker that run asks for", () => {
  it("runs in the directory of the caller when the daemon is on this host", () => {
    assert.equal(workerOptions(["ls"], none, here).cwd, "/home/me");
    assert.equal(workerOptions(["ls"], { ...none, cwd: "sub" }, here).cwd, "/home/me/sub");
    assert.equal(workerOptions(["ls"], none, elsewhere).cwd, undefined);
    assert.equal(workerOptions(["ls"], { ...none, cwd: "/srv" }, elsewhere).cwd, "/srv");
    assert.throws(() => workerOptions(["ls"], { ...none, cwd: "sub" }, elsewhere), UsageError);
  });

  it("finds a relative program from that directory, and leaves bare names to the PATH", () => {
    const worker = programOf(["./run.sh", "x"], { ...none, cwd: "bin" });
    assert.equal(worker.path, "/home/me/bin/run.sh");
    assert.deepEqual(worker.argv, ["./run.sh", "x"]);
    assert.equal(programOf(["ls"], none).path, undefined);
    assert.equal(programOf(["/bin/ls"], none).path, undefined);
  });

  it("has our stdin unless that is a terminal, or somebody decided", () => {
    const onTerminal = { ...here, stdinIsTerminal: true };
    const open = (options: Partial<RunOptions>, place: RunPlace): boolean | undefined =>
      workerOptions(["cat"], { ...none, ...options }, place).openStdin;
    assert.equal(open({}, here), true);
    assert.equal(open({}, onTerminal), false);
    assert.equal(open({ stdin: true }, onTerminal), true);
    assert.equal(open({ stdin: false }, here), false);
    assert.equal(open({ detach: true }, here), false);
  });

  it("has everything else that was said", () => {
    const worker = workerOptions(
      ["ls"],
      {
        ...none,
        name: "web",
        cpus: "0,2",
        env: ["A=1", "LANG", "NOT_SET"],
        label: ["team=a"],
        rlimit: ["nofile=10:20"],
        user: "nobody",
        umask: "077",
        mergeStderr: true,
      },
      here,
    );
    assert.deepEqual(worker, {
      argv: ["ls"],
      name: "web",
      cpus: [0, 2],
      cwd: "/home/me",
      env: { A: "1", LANG: "C" },
      labels: { team: "a" },
      rlimits: { RLIMIT_NOFILE: { soft: 10n, hard: 20n } },
      runAs: "nobody",
      umask: 0o77,
      mergeStderr: true,
      openStdin: true,
      logMaxBytes: 2 ** 30,
    });
  });

  it("keeps plenty of output for ourselves, and what the daemon likes of a detached worker", () => {
    const kept = (options: Partial<RunOptions>): number | undefined =>
      workerOptions(["ls"], { ...none, ...options }, here).logMaxBytes;
    assert.equal(kept({}), 2 ** 30);
    assert.equal(kept({ keepOutput: "64KiB" }), 65_536);
    assert.equal(kept({ detach: true }), undefined);
    assert.equal(kept({ detach: true, keepOutput: "3G" }), 3 * 2 ** 30);
    assert.throws(() => kept({ keepOutput: "1K" }), /^UsageError: --keep-output takes from 64KiB/);
  });

  it("looks for a function where it was called, or in directories of the daemon's host", () => {
    const path = (options: Partial<RunOptions>, place: RunPlace) => {
      const worker = workerOptions([], { ...none, python: "app:f", ...options }, place);
      assert.ok(worker.python !== undefined);
      return worker.modulePath;
    };
    assert.deepEqual(path({}, here), ["/home/me"]);
    assert.deepEqual(path({ modulePath: ["lib", "/srv"] }, here), ["/home/me/lib", "/srv"]);
    assert.deepEqual(path({}, elsewhere), []);
    assert.deepEqual(path({ modulePath: ["/srv"] }, elsewhere), ["/srv"]);
    assert.throws(() => path({ modulePath: ["lib"] }, elsewhere), UsageError);
  });

  it("refuses what contradicts itself, or says nothing", () => {
    assert.throws(() => workerOptions([""], none, here), /nothing to run/);
    assert.throws(() => workerOptions(["ls"], { ...none, name: "" }, here), UsageError);
    assert.throws(
      () => workerOptions(["ls"], { ...none, detach: true, rm: true }, here),
      UsageError,
    );
    assert.throws(
      () => workerOptions(["ls"], { ...none, detach: true, stdin: true }, here),
      UsageError,
    );
  });
});
