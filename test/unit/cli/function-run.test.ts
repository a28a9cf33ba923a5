import assert from "node:assert/strict";
import { eventually } from "../../support/eventually.js";
import { FakeDaemon } from "../../support/fake-daemon.js";
import { type FakeWorker } from "../../support/fake-daemon-processes.js";
import { StartMethod } from "../../../proto/gen/forkbus/v1/process.js";
import { type Captured, cli } from "./captured-cli.js";

const value = (text: string, encoding = "json") => ({
  $case: "value" as const,
  value: { data: Buffer.from(text), encoding },
});

const exception = {
  $case: "exception" as const,
  value: {
    type: "ValueError",
    message: "bad\nvalue",
    traceback:
      'Traceback (most recent call last):\n  File "app.py", line 3\nValueError: bad value\n',
    payload: undefined,
  },
};

describe("forkbus run with a function", () => {
  let daemon: FakeDaemon;

  beforeEach(async () => {
    daemon = await FakeDaemon.start();
  });

  afterEach(async () => {
    await daemon[Symbol.asyncDispose]();
  });

  const forkbus = (...args: readonly string[]): Promise<Captured> => cli(daemon.address, args);

  const theOnly = async (): Promise<FakeWorker> => {
    const all = await eventually(
      () => [...daemon.processes.workers.values()],
      (workers) => workers.length === 1,
    );
    const [worker] = all;
    assert.ok(worker);
    return worker;
  };

  it("asks for the function, in the directory that it was called in, with JSON as it was typed", async () => {
    const args = "[12345678901234567890, 1.0]";
    const running = forkbus(
      ...["run", "--python", "app:f", "--args", args, "--template", "np", "--method", "spawn"],
    );
    const worker = await theOnly();
    worker.finish(value("null"));
    await running;
    const { spec } = worker.message;
    assert.ok(spec?.target?.$case === "python");
    assert.equal(spec.target.value.function, "app:f");
    assert.equal(Buffer.from(spec.target.value.arguments?.data ?? []).toString(), args);
    assert.equal(spec.target.value.resultEncoding, "json");
    assert.deepEqual(spec.target.value.modulePath, ["/home/me"]);
    assert.equal(spec.template, "np");
    assert.equal(spec.startMethod, StartMethod.SPAWN);
    assert.equal(spec.workingDir, "/home/me");
  });

  it("writes what the function printed, and then its result on a line of its own", async () => {
    const running = forkbus("run", "--node", "./app.js#f", "--module-path", "lib");
    const worker = await theOnly();
    worker.write("stdout", "half a line");
    worker.finish(value('{"n":12345678901234567890}'));
    assert.deepEqual(await running, {
      code: 0,
      stdout: 'half a line\n{"n":12345678901234567890}\n',
      stderr: "",
    });
    const { spec } = worker.message;
    assert.ok(spec?.target?.$case === "node");
    assert.deepEqual(spec.target.value.modulePath, ["/home/me/lib"]);
  });

  it("writes other bytes as they are", async () => {
    const running = forkbus("run", "--python", "app:f");
    (await theOnly()).finish(value("abc", "raw"));
    assert.equal((await running).stdout, "abc");
  });

  it("ends with 1 when the function raised, after the traceback that the worker wrote", async () => {
    const running = forkbus("run", "--python", "app:f", "--name", "one");
    const worker = await theOnly();
    worker.write("stderr", exception.value.traceback);
    worker.finish(exception);
    const { code, stdout, stderr } = await running;
    assert.equal(code, 1);
    assert.equal(stdout, "");
    assert.equal(
      stderr,
      `${exception.value.traceback}forkbus: The function of one raised ValueError: bad\\nvalue\n`,
    );
  });

  it("says that there is no result when the worker ended otherwise", async () => {
    const running = forkbus("run", "--python", "app:f", "--name", "one");
    const killed = { number: 9, name: "SIGKILL", coreDumped: false };
    (await theOnly()).end({ $case: "signal", value: killed });
    assert.deepEqual(await running, {
      code: 137,
      stdout: "",
      stderr: "forkbus: one gave no result: it was killed by SIGKILL\n",
    });
  });

  it("writes the name alone with --detach, and limits and the worker to fork from go along", async () => {
    const { code, stdout } = await forkbus(
      ...["run", "-d", "--name", "one", "--python", "app:f", "--fork-from", "loaded"],
      ...["--memory-max", "512M", "--memory-high", "256M", "--pids-max", "8"],
      ...["--cpu-weight", "50", "--cpu-max", "1.5", "--best-effort"],
    );
    assert.deepEqual([code, stdout], [0, "one\n"]);
    const { spec } = daemon.processes.worker({ name: "one", uid: "" }).message;
    assert.equal(spec?.forkFrom, "loaded");
    assert.deepEqual(spec.limits, {
      rlimits: [],
      memoryMaxBytes: 512n << 20n,
      memoryHighBytes: 256n << 20n,
      pidsMax: 8,
      cpuWeight: 50,
      cpuMaxMilli: 1500,
      bestEffort: true,
    });
  });

  it("refuses what makes no sense", async () => {
    const refusal = async (...args: readonly string[]): Promise<string> => {
      const { code, stderr } = await forkbus("run", ...args);
      assert.equal(code, 125, stderr);
      return stderr;
    };
    assert.match(await refusal(), /nothing to run/);
    assert.match(await refusal("--python", "a:b", "--node", "c"), /exclude each other/);
    assert.match(await refusal("--python", "a:b", "ls"), /no command beside it/);
    assert.match(await refusal("--template", "np", "ls"), /--template goes with a function/);
    assert.match(await refusal("--fork-from", "x", "ls"), /--fork-from goes with a function/);
    assert.match(await refusal("--python", "a:b", "--args", "[1"), /--args takes JSON/);
    assert.match(await refusal("--python", "a:b", "--args", "1"), /JSON array/);
    assert.match(await refusal("--python", ""), /empty/);
    assert.match(await refusal("--cpu-max", "0", "ls"), /--cpu-max takes/);
    assert.match(await refusal("--memory-max", "lots", "ls"), /--memory-max takes/);
    assert.equal(daemon.processes.workers.size, 0);
  });
});

describe("A function that has run", () => {
  it("is shown with its method, the time to its first line, and its result", async () => {
    await using daemon = await FakeDaemon.start();
    const create = ["run", "-d", "--name", "one", "--python", "app:f", "--template", "np"];
    await cli(daemon.address, create);
    const worker = daemon.processes.worker({ name: "one", uid: "" });
    worker.learn({
      startMethod: StartMethod.FORKSERVER,
      templateGeneration: 2n,
      warm: true,
      servesForks: true,
      unenforcedLimits: [],
      startTimings: { admissionUs: 100n, forkUs: 1_900n, totalUs: 2_000n },
    });
    const ps = await cli(daemon.address, ["ps"]);
    assert.match(ps.stdout, / {2}python app:f \(forkserver from np\)\n$/);
    worker.finish(value("[1,2]"));
    const { stdout } = await cli(daemon.address, ["inspect", "one"]);
    assert.match(stdout, /^Function {2,}python app:f$/m);
    assert.match(stdout, /^Method {2,}forkserver from np, generation 2, warm$/m);
    assert.match(stdout, /^Start {2,}2\.0ms to the first line: admission 0\.1, .*fork 1\.9/m);
    assert.match(stdout, /^Serves forks {2,}yes/m);
    assert.match(stdout, /^Result {2,}\[1,2\]$/m);
    const json: unknown = JSON.parse(
      (await cli(daemon.address, ["inspect", "-o", "json", "one"])).stdout,
    );
    assert.ok(Array.isArray(json));
    const one: unknown = json[0];
    assert.ok(typeof one === "object" && one !== null && "spec" in one && "status" in one);
    const { spec, status } = one;
    assert.ok(typeof spec === "object" && spec !== null && typeof status === "object");
    assert.ok("python" in spec && "template" in spec && !("exec" in spec));
    assert.deepEqual(spec.python, {
      function: "app:f",
      result_encoding: "json",
      module_path: ["/home/me"],
    });
    assert.ok(status !== null && "result" in status && "start_timings" in status);
    assert.deepEqual(status.result, { value: { encoding: "json", text: "[1,2]" }, size_bytes: 0 });
  });

  it("is shown with the traceback of what it raised, which cannot play with the terminal", async () => {
    await using daemon = await FakeDaemon.start();
    await cli(daemon.address, ["run", "-d", "--name", "one", "--python", "app:f"]);
    const traceback = `${exception.value.traceback}\u001b[2J`;
    daemon.processes
      .worker({ name: "one", uid: "" })
      .finish({ ...exception, value: { ...exception.value, traceback } });
    const { stdout } = await cli(daemon.address, ["inspect", "one"]);
    assert.match(stdout, /^Raised {2,}ValueError: bad\\nvalue$/m);
    assert.match(
      stdout,
      /^Traceback\n {2}Traceback \(most recent call last\):\n {4}File "app\.py"/m,
    );
    assert.match(stdout, /\\x1b\[2J/);
  });
});

describe("forkbus release", () => {
  it("lets workers go on that serve forks, and tells of those that do not", async () => {
    await using daemon = await FakeDaemon.start();
    await cli(daemon.address, ["run", "-d", "--name", "one", "--python", "app:f"]);
    const worker = daemon.processes.worker({ name: "one", uid: "" });
    worker.learn({ servesForks: true });
    assert.equal((await cli(daemon.address, ["release", "one"])).code, 0);
    assert.equal(worker.message.status?.servesForks, false);
    const again = await cli(daemon.address, ["release", "one"]);
    assert.deepEqual(again, { code: 1, stdout: "", stderr: "forkbus: It serves no forks\n" });
  });
});
