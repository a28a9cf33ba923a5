import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { realpathSync } from "node:fs";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { CliProcess, forkbus } from "./cli-process.js";

describe("forkbus run", function () {
  this.timeout(60_000);
  let daemon: DaemonHarness;
  before(async () => {
    daemon = await DaemonHarness.start();
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
  });

  const processState = async (name: string): Promise<number | undefined> =>
    (await daemon.processes.getProcess({ name })).process?.status?.state;
  const exited = 7;

  it("passes stdin, stdout and stderr through byte by byte, and the code on", async () => {
    const input = randomBytes(300_000).toString("latin1");
    const result = await forkbus(
      daemon.address,
      ["run", "--", "sh", "-c", "cat; echo done >&2; exit 7"],
      input,
    );
    assert.equal(result.stdout === input, true, "the bytes of stdin come out again");
    assert.equal(result.stderr, "done\n");
    assert.equal(result.code, 7);
  });

  it("is a part of a pipeline: it sorts what it reads, and sees the end of it", async () => {
    const result = await forkbus(daemon.address, ["run", "sort", "-r"], "a\nc\nb\n");
    assert.deepEqual(result, { code: 0, stdout: "c\nb\na\n", stderr: "" });
  });

  it("ends when the worker does, though stdin stays open", async () => {
    const cli = new CliProcess(daemon.address, ["run", "--", "true"]);
    assert.equal((await cli.end()).code, 0);
  });

  it("runs in the directory that it was called in", async () => {
    const cli = new CliProcess(daemon.address, ["run", "pwd"], daemon.directory);
    assert.equal((await cli.end()).stdout, `${realpathSync(daemon.directory)}\n`);
  });

  it("ends with 128+N, 126, 127 or 125 for signals, bad programs and bad wishes", async () => {
    const code = async (...args: readonly string[]): Promise<number> =>
      (await forkbus(daemon.address, ["run", ...args])).code;
    assert.equal(await code("--", "sh", "-c", "kill -9 $$"), 137);
    assert.equal(await code("--", "/etc/passwd"), 126);
    assert.equal(await code("--", "no-such-program"), 127);
    assert.equal(await code("--cwd", "/no/such/dir", "--", "true"), 125);
    assert.equal(await code("--cpus", "many", "--", "true"), 125);
  });

  it("passes CPUs, environment, limits and umask on", async () => {
    const script = "echo $A; ulimit -n; umask; grep Cpus_allowed_list /proc/self/status";
    const options = ["--cpus", "0,", "--env", "A=x y", "--rlimit", "nofile=77", "--umask", "027"];
    const result = await forkbus(daemon.address, ["run", ...options, "--", "sh", "-c", script]);
    assert.equal(result.stdout, "x y\n77\n0027\nCpus_allowed_list:\t0\n");
  });

  it("forwards signals to the worker", async () => {
    const script =
      'trap "echo usr1" USR1; trap "exit 9" TERM; echo up; while :; do sleep 0.02; done';
    const cli = new CliProcess(daemon.address, ["run", "--", "sh", "-c", script]);
    await cli.shows("up\n");
    cli.kill("SIGUSR1");
    await cli.shows("usr1\n");
    cli.kill("SIGTERM");
    assert.equal((await cli.end()).code, 9);
  });

  it("escalates with each ^C, to the whole tree", async () => {
    const script = 'trap "echo int" INT; trap "" TERM; echo up; while :; do sleep 0.02; done';
    const cli = new CliProcess(daemon.address, [
      ...["run", "--name", "stubborn", "--", "sh", "-c", script],
    ]);
    await cli.shows("up\n");
    cli.kill("SIGINT");
    await cli.shows("int\n");
    cli.kill("SIGINT");
    const stopping = 5;
    await eventually(
      () => processState("stubborn"),
      (state) => state === stopping,
      { what: "the worker to be stopping" },
    );
    cli.kill("SIGINT");
    assert.equal((await cli.end()).code, 137);
  });

  it("stops the worker and ends with 141 when nobody reads its output", async () => {
    const cli = new CliProcess(daemon.address, ["run", "--name", "talker", "--", "yes"]);
    await cli.shows("y\n");
    cli.closeOutput();
    assert.equal((await cli.end()).code, 141);
    assert.equal(await processState("talker"), exited);
  });

  it("fails when output was lost before it could be read, whatever the worker's code", async () => {
    const script = "echo up; read go; head -c 20000000 /dev/zero";
    const cli = new CliProcess(daemon.address, [
      ...["run", "--name", "flood", "--keep-output", "64KiB", "--", "sh", "-c", script],
    ]);
    await cli.shows("up\n");
    cli.pauseOutput();
    cli.stdin.end("go\n");
    await eventually(
      () => processState("flood"),
      (state) => state === exited,
      { what: "the worker to have written everything" },
    );
    cli.resumeOutput();
    const { code, stdout, stderr } = await cli.end();
    assert.ok(stdout.length < 20_000_000);
    assert.match(stderr, /^\[forkbus: \d+ bytes of stdout were dropped by retention\]$/m);
    assert.match(stderr, /^forkbus: Some stdout of flood was lost .*code 0.*--keep-output.*\n$/m);
    assert.equal(code, 125);
  });

  it("loses nothing of a worker that is faster than its reader", async () => {
    const result = await forkbus(daemon.address, [
      "run",
      "--",
      "head",
      "-c",
      "100000000",
      "/dev/zero",
    ]);
    assert.equal(result.stdout.length, 100_000_000);
    assert.equal(result.stderr, "");
    assert.equal(result.code, 0);
  });

  it("removes the record with --rm, and keeps it without", async () => {
    await forkbus(daemon.address, ["run", "--rm", "--name", "brief", "--", "true"]);
    await forkbus(daemon.address, ["run", "--name", "kept", "--", "true"]);
    const { stdout } = await forkbus(daemon.address, ["ps", "-a", "-q", "--prefix", "brief"]);
    assert.equal(stdout, "");
    assert.equal(await processState("kept"), exited);
  });

  it("goes on when the daemon is killed and started again", async () => {
    const cli = new CliProcess(daemon.address, [
      ...["run", "--", "sh", "-c", "echo up; cat; echo down; exit 5"],
    ]);
    await cli.shows("up\n");
    cli.stdin.write("before\n");
    await cli.shows("before\n");
    await daemon.kill();
    cli.stdin.write("during\n");
    await daemon.startDaemon();
    await cli.shows("during\n");
    cli.stdin.end("after\n");
    const result = await cli.end();
    assert.deepEqual(result, { code: 5, stdout: "up\nbefore\nduring\nafter\ndown\n", stderr: "" });
  });
});
