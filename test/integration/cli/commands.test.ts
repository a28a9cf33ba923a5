import assert from "node:assert/strict";
import { join } from "node:path";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { CliProcess, type CliResult, forkbus } from "./cli-process.js";

describe("the commands of forkbus", function () {
  this.timeout(60_000);
  let daemon: DaemonHarness;
  before(async () => {
    daemon = await DaemonHarness.start();
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
  });

  const cli = (args: readonly string[], input?: string): Promise<CliResult> =>
    forkbus(daemon.address, args, input);
  const ok = async (args: readonly string[], input?: string): Promise<string> => {
    const result = await cli(args, input);
    assert.equal(result.code, 0, result.stderr);
    assert.equal(result.stderr, "");
    return result.stdout;
  };
  const json = async (args: readonly string[]): Promise<unknown> =>
    JSON.parse(await ok([...args, "-o", "json"]));

  it("take a worker from run -d to rm", async () => {
    const run = ["run", "-d", "--name", "web", "-l", "team=a", "--", "sleep", "1000"];
    assert.equal(await ok(run), "web\n");
    assert.match(await ok(["ps"]), /^NAME .*\nweb +running +\d+ +\d+ +\S+ +- +sleep 1000\n$/);
    assert.equal(await ok(["ps", "-q", "--label", "team=a"]), "web\n");
    assert.equal(await ok(["ps", "-q", "--label", "team=b"]), "");
    assert.match(await ok(["inspect", "web"]), /^State +running$/m);
    assert.equal((await cli(["wait", "--timeout", "20ms", "web"])).code, 124);
    assert.match((await cli(["rm", "web"])).stderr, /^forkbus: .*web.*\n$/);

    const waiting = new CliProcess(daemon.address, ["wait", "web"]);
    assert.equal(await ok(["stop", "web"]), "web: was killed by SIGTERM\n");
    assert.deepEqual(await waiting.end(), { code: 143, stdout: "143\n", stderr: "" });
    assert.equal(await ok(["ps", "-q"]), "");
    assert.equal(await ok(["ps", "-q", "--state", "exited"]), "web\n");
    assert.equal((await cli(["signal", "TERM", "web"])).code, 1);
    assert.equal(await ok(["rm", "web"]), "");
    assert.equal((await cli(["rm", "web"])).code, 1);
    assert.equal((await cli(["rm", "-f", "web"])).code, 0);
  });

  it("write one document for programs", async () => {
    await ok(["run", "-d", "--name", "doc/a", "--", "true"]);
    await ok(["wait", "doc/a"]);
    const [listed] = list(await json(["ps", "-a", "--prefix", "doc/"]));
    const [inspected] = list(await json(["inspect", "doc/a"]));
    assert.deepEqual(listed, inspected);
    assert.equal(at(listed, "name"), "doc/a");
    assert.deepEqual(at(listed, "spec", "exec", "argv"), ["true"]);
    assert.equal(at(listed, "status", "state"), "EXITED");
    assert.equal(at(listed, "status", "exit", "exit_code"), 0);
    assert.match(String(at(listed, "create_time")), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    assert.deepEqual(await json(["stop", "doc/a"]), [
      { name: "doc/a", outcome: "ALREADY_ENDED", exit: at(listed, "status", "exit") },
    ]);
    assert.equal(at(await json(["status"]), "status", "state"), "SERVING");
  });

  it("show the exact output of a worker, and follow it", async () => {
    const script = "echo one; echo two; echo oops >&2; read x; echo $x";
    const run = new CliProcess(daemon.address, ["run", "--name", "talk", "--", "sh", "-c", script]);
    await run.shows("two\n");
    assert.equal(await ok(["logs", "--stdout", "talk"]), "one\ntwo\n");
    assert.equal(await ok(["logs", "--stdout", "-n", "1", "talk"]), "two\n");
    const follower = new CliProcess(daemon.address, ["logs", "-f", "talk"]);
    await follower.shows("two\n");
    run.stdin.end("three\n");
    assert.deepEqual(await follower.end(), {
      code: 0,
      stdout: "one\ntwo\nthree\n",
      stderr: "oops\n",
    });
    await run.end();
    const lines = (await ok(["logs", "--stdout", "-o", "json", "talk"])).trimEnd().split("\n");
    const texts = lines.map((line) => at(JSON.parse(line), "text")).filter(isText);
    assert.equal(texts.join(""), "one\ntwo\nthree\n");
  });

  it("wait for any of many", async () => {
    await ok(["run", "-d", "--name", "slow", "--", "sleep", "1000"]);
    await ok(["run", "-d", "--name", "fast", "--", "sh", "-c", "exit 4"]);
    const any = await cli(["wait", "--any", "slow", "fast"]);
    assert.deepEqual(any, { code: 4, stdout: "4 fast\n", stderr: "" });
    assert.deepEqual(await cli(["wait", "fast", "nobody"]), {
      code: 125,
      stdout: "4 fast\n",
      stderr: "forkbus: There is no process nobody\n",
    });
    await ok(["rm", "-f", "slow", "fast"]);
  });

  it("tell each end as it comes, and end with the code of the last name", async () => {
    await ok(["run", "-d", "--name", "late", "--", "sleep", "1000"]);
    await ok(["run", "-d", "--name", "early", "--", "sh", "-c", "exit 4"]);
    for (const output of ["table", "json"]) {
      const waiting = new CliProcess(daemon.address, ["wait", "late", "early", "-o", output]);
      await waiting.shows(output === "json" ? '"name":"early"' : "4 early\n");
      waiting.kill("SIGKILL");
      await waiting.end();
    }
    const waiting = new CliProcess(daemon.address, ["wait", "late", "early"]);
    await waiting.shows("4 early\n");
    await ok(["stop", "late"]);
    assert.deepEqual(await waiting.end(), { code: 4, stdout: "4 early\n143 late\n", stderr: "" });
    await ok(["rm", "late", "early"]);
  });

  it("put lines into a queue and get them out in order", async () => {
    assert.equal(await ok(["queue", "create", "jobs", "--max-items", "5000"]), "jobs\n");
    const lines = Array.from({ length: 3000 }, (_, index) => `line ${index}\n`);
    await ok(["queue", "put", "jobs"], lines.join(""));
    await ok(["queue", "put", "jobs", "x", "y z"]);
    assert.equal(await ok(["queue", "get", "jobs", "-n", "100"]), lines.slice(0, 100).join(""));
    assert.equal(
      await ok(["queue", "get", "jobs", "--all"]),
      lines.slice(100).join("") + "x\ny z\n",
    );
    assert.equal((await cli(["queue", "get", "jobs", "--timeout", "0"])).code, 124);
    assert.match(await ok(["queue", "ls"]), /^jobs +open +0 +5000 +0 B +3002 +3002 +0$/m);
  });

  it("say how many items were put before there was no more room", async () => {
    await ok(["queue", "create", "small", "--max-items", "2"]);
    const late = await cli(["queue", "put", "small", "-t", "50ms", "a", "b", "c"]);
    assert.equal(late.code, 124);
    assert.match(late.stderr, /^forkbus: .*small has no room; 2 items were put before that\n$/);
    await ok(["queue", "create", "strict", "--max-items", "1", "--full", "refuse"]);
    const refused = await cli(["queue", "put", "strict", "-t", "10", "a", "b"]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /; 1 item was put before that\n$/);
    await ok(["queue", "create", "tight", "--max-bytes", "1M"]);
    const large = await cli(["queue", "put", "tight"], "x".repeat(2_000_000));
    assert.equal(large.code, 1);
    assert.match(
      large.stderr,
      /^forkbus: An item of 2000000 bytes, at most 1048576 are allowed; 0 /,
    );
    await ok(["queue", "rm", "small", "strict", "tight"]);
  });

  it("carry any bytes between NULs", async () => {
    await ok(["queue", "create", "raw"]);
    await ok(["queue", "put", "-0", "raw"], "a\nb\0\xff\xfe\0");
    assert.equal(await ok(["queue", "get", "-0", "-n", "2", "raw"]), "a\nb\0\xff\xfe\0");
    await ok(["queue", "put", "raw", "hi"]);
    assert.deepEqual(await json(["queue", "get", "raw"]), { text: "hi" });
  });

  it("follow a queue until it is shut down, and lose nothing to ^C", async () => {
    await ok(["queue", "create", "feed"]);
    const interrupted = new CliProcess(daemon.address, ["queue", "get", "--follow", "feed"]);
    await ok(["queue", "put", "feed", "1"]);
    await interrupted.shows("1\n");
    interrupted.kill("SIGINT");
    assert.deepEqual(await interrupted.end(), { code: 130, stdout: "1\n", stderr: "" });
    const follower = new CliProcess(daemon.address, ["queue", "get", "--follow", "feed"]);
    await ok(["queue", "put", "feed", "2", "3"]);
    await ok(["queue", "shutdown", "feed"]);
    assert.deepEqual(await follower.end(), { code: 0, stdout: "2\n3\n", stderr: "" });
    assert.equal((await cli(["queue", "put", "feed", "4"])).code, 1);
    await ok(["queue", "rm", "feed"]);
    assert.equal((await cli(["queue", "stat", "feed"])).code, 1);
  });

  it("find a daemon that is well", async () => {
    const result = await cli(["doctor"]);
    assert.match(result.stdout, /^ok +client\.connection\n.*answers at unix:/);
    assert.match(result.stdout, /^\S+ +keeper\n/m);
    const checks = list(await json(["doctor"]));
    assert.equal(at(checks[0], "outcome"), "OK");
  });

  it("say what to do when there is no daemon, and end with 3", async () => {
    const nowhere = `unix:${join(daemon.directory, "nowhere.sock")}`;
    const ps = await forkbus(nowhere, ["ps"]);
    assert.equal(ps.code, 3);
    assert.match(
      ps.stderr,
      /^forkbus: .*nowhere\.sock.*`forkbus serve --listen unix:.*` \(connect ENOENT\)\n$/,
    );
    const doctor = await forkbus(nowhere, ["doctor"]);
    assert.equal(doctor.code, 1);
    assert.match(
      doctor.stdout,
      /nowhere\.sock \(from \$FORKBUS_ADDRESS\).*\n.*\n.*forkbus serve --listen/,
    );
    assert.equal((await forkbus(nowhere, ["run", "true"])).code, 125);
  });

  it("tell wrong usage in one line, with a suggestion, and end with 2", async () => {
    const typo = await cli(["pss"]);
    assert.equal(typo.code, 2);
    assert.match(typo.stderr, /^forkbus: unknown command 'pss'\n\(Did you mean ps\?\)/);
    assert.equal((await cli(["ps", "--state", "dead"])).code, 2);
    assert.equal((await cli(["ps", "--label", "nonsense"])).code, 2);
    assert.equal((await cli(["signal", "BOGUS", "web"])).code, 2);
    assert.match((await cli(["signal", "web", "TERM"])).stderr, /forkbus signal TERM web\n$/);
    assert.equal((await cli(["--address", "nonsense", "ps"])).code, 2);
    assert.equal((await cli(["run"])).code, 125);
    assert.match(await ok(["--version"]), /^\d+\.\d+\.\d+\n$/);
  });

  it("serve until they are told to stop", async () => {
    const address = `unix:${join(daemon.directory, "second.sock")}`;
    const stateDir = join(daemon.directory, "second");
    const server = new CliProcess(address, ["serve", "--state-dir", stateDir, "--listen", address]);
    const deadline = performance.now() + 20_000;
    while ((await forkbus(address, ["status"])).code !== 0) assert.ok(performance.now() < deadline);
    server.kill("SIGTERM");
    assert.equal((await server.end()).code, 0);
    assert.equal((await forkbus(address, ["status"])).code, 3);
  });
});

function list(value: unknown): readonly unknown[] {
  assert.ok(Array.isArray(value));
  return value;
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

/** The member at a path of a JSON document; undefined where there is none. */
function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (part, name) =>
      typeof part === "object" && part !== null
        ? Object.entries(part).find(([key]) => key === name)?.[1]
        : undefined,
    value,
  );
}
