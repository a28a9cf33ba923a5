import assert from "node:assert/strict";
import { Runtime } from "../../../proto/gen/forkbus/v1/types.js";
import { eventually } from "../../support/eventually.js";
import { FakeDaemon } from "../../support/fake-daemon.js";
import { type Captured, cli } from "./captured-cli.js";

const failure = {
  module: "numpy",
  message: "numpy raised ImportError",
  exception: { type: "ImportError", message: "no BLAS", traceback: "Traceback:\n  line 1\n" },
};

describe("forkbus template", () => {
  let daemon: FakeDaemon;

  beforeEach(async () => {
    daemon = await FakeDaemon.start();
  });

  afterEach(async () => {
    await daemon[Symbol.asyncDispose]();
  });

  const forkbus = (...args: readonly string[]): Promise<Captured> =>
    cli(daemon.address, ["template", ...args]);
  const waits = (calls: number) =>
    eventually(
      () => daemon.calls.get("WaitTemplate") ?? 0,
      (seen) => seen === calls,
    );
  const report = {
    pid: 7,
    runtimeVersion: "3.11.7",
    modules: [
      { name: "numpy", loadUs: 81_234 },
      { name: "app.models", loadUs: 900 },
    ],
  };

  it("makes one from its options, waits until it is ready, and shows how long each module took", async () => {
    const creating = forkbus(
      ...["create", "numpy", "--runtime", "python", "-p", "numpy", "--preload", "app.models"],
      ...["--init", "app:warm_up", "--init-args", "[2]", "-e", "A=1", "--warm", "3"],
      ...[
        "--interpreter",
        "venv/bin/python3",
        "--keep-fd",
        "socket:*",
        "--preload-timeout",
        "2m",
        "--label",
        "team=a",
        "--cwd",
        "sub",
      ],
    );
    await waits(1);
    const { spec, labels } = daemon.templates.template("numpy");
    assert.ok(spec);
    assert.equal(spec.runtime, Runtime.PYTHON);
    assert.deepEqual(spec.preload, ["numpy", "app.models"]);
    assert.equal(spec.interpreter, "/home/me/venv/bin/python3");
    assert.deepEqual(spec.modulePath, ["/home/me"]);
    assert.equal(spec.init?.function, "app:warm_up");
    assert.equal(Buffer.from(spec.init.arguments?.data ?? []).toString(), "[2]");
    assert.deepEqual(spec.env, { A: "1" });
    assert.equal(spec.warmWorkers, 3);
    assert.deepEqual(spec.keepFds, ["socket:*"]);
    assert.equal(spec.preloadTimeoutMs, 120_000);
    assert.equal(spec.workingDir, "/home/me/sub");
    assert.deepEqual(labels, { team: "a" });
    daemon.templates.becomeReady("numpy", report);
    assert.deepEqual(await creating, {
      code: 0,
      stdout: [
        "MODULE      LOADED IN",
        "numpy          81.2ms",
        "app.models      0.9ms",
        "numpy is ready: 3.11.7, pid 7, 2 modules in 82ms",
        "",
      ].join("\n"),
      stderr: "",
    });
  });

  it("shows why one has failed, with the traceback, and ends with 1", async () => {
    const creating = forkbus("create", "numpy", "--runtime", "python", "-p", "numpy");
    await waits(1);
    daemon.templates.fail("numpy", failure);
    assert.deepEqual(await creating, {
      code: 1,
      stdout: "",
      stderr:
        "forkbus: numpy has failed: numpy raised ImportError\nTraceback\n  Traceback:\n    line 1\n",
    });
    const { stdout } = await forkbus("inspect", "numpy");
    assert.match(stdout, /^State {2,}failed$/m);
    assert.match(stdout, /^Failed in {2,}numpy$/m);
    assert.match(stdout, /^Raised {2,}ImportError: no BLAS$/m);
    assert.match(stdout, /^Traceback\n {2}Traceback:\n {4}line 1$/m);
  });

  it("does not wait with --no-wait, and no longer than --timeout", async () => {
    const made = await forkbus("create", "ts", "--runtime", "node", "--no-wait");
    assert.deepEqual(made, { code: 0, stdout: "ts\n", stderr: "" });
    const late = await forkbus("create", "ts2", "--runtime", "node", "-t", "20ms");
    assert.equal(late.code, 124);
    assert.match(late.stderr, /Time ran out before ts2 was ready; it goes on loading/);
  });

  it("says of one that cannot be forked that its workers are spawned, and that none are warm", async () => {
    const creating = forkbus("create", "ts", "--runtime", "node", "--warm", "2");
    await waits(1);
    daemon.templates.becomeReady("ts", { ...report, pid: 0, modules: [] }, "An unknown V8");
    assert.deepEqual(await creating, {
      code: 0,
      stdout: "ts is ready: 3.11.7, 0 modules in 0ms\n",
      stderr: "forkbus: ts cannot be forked here, its workers are spawned: An unknown V8\n",
    });
    const shown = (await forkbus("inspect", "ts")).stdout;
    assert.match(shown, /^State {2,}ready, spawns$/m);
    assert.match(shown, /^Warm {2,}none: its workers are spawned$/m);
    assert.match(shown, /^Spawned {2,}An unknown V8$/m);
    assert.match(shown, /^Zygote {2,}none, version 3\.11\.7$/m);
    assert.doesNotMatch(shown, /^Forks/m);
    assert.match((await forkbus("ls")).stdout, /^ts +node +ready, spawns +1 +none /m);
  });

  it("refuses a name that is taken, unless it is to be replaced", async () => {
    await forkbus("create", "np", "--runtime", "python", "--no-wait");
    const taken = await forkbus("create", "np", "--runtime", "python", "--no-wait");
    assert.equal(taken.code, 1);
    daemon.templates.becomeReady("np", report);
    const replacing = forkbus("create", "np", "--runtime", "python", "-p", "numpy", "--replace");
    await waits(1);
    daemon.templates.becomeReady("np", report);
    assert.equal((await replacing).code, 0);
    assert.equal(daemon.templates.template("np").status?.servingGeneration, 2n);
  });

  it("takes the runtime from the parent, and files from here", async () => {
    await forkbus("create", "ts", "--runtime", "node", "--no-wait");
    await forkbus("create", "app", "--parent", "ts", "-p", "./app.js", "-p", "yaml", "--no-wait");
    const { spec } = daemon.templates.template("app");
    assert.equal(spec?.runtime, Runtime.NODE);
    assert.equal(spec.parent, "ts");
    assert.deepEqual(spec.preload, ["/home/me/app.js", "yaml"]);
    const { code, stderr } = await forkbus("create", "app2", "--no-wait");
    assert.equal(code, 2);
    assert.match(stderr, /--runtime says which language/);
    assert.equal((await forkbus("create", "a", "--parent", "ts", "--init-args", "[]")).code, 2);
  });

  it("lists them, shows all that is known, and removes them", async () => {
    await forkbus("create", "np", "--runtime", "python", "-p", "numpy", "--no-wait");
    await forkbus("create", "ts", "--runtime", "node", "--no-wait");
    daemon.templates.becomeReady("np", { ...report, forks: 3n, rssBytes: 1n << 20n });
    const { stdout } = await forkbus("ls");
    assert.match(stdout, /^NAME +RUNTIME +STATE +GENERATION +WARM +RESTARTS +PARENT +PRELOAD$/m);
    assert.match(stdout, /^np +python +ready +1 +- +0 +- +numpy$/m);
    assert.match(stdout, /^ts +node +starting +1 /m);
    assert.equal((await forkbus("ls", "-q")).stdout, "np\nts\n");
    const shown = (await forkbus("inspect", "np")).stdout;
    assert.match(shown, /^Zygote {2,}pid 7, version 3\.11\.7$/m);
    assert.match(shown, /^Forks {2,}3 workers$/m);
    assert.match(shown, /^numpy {2,}81\.2ms$/m);
    const json: unknown = JSON.parse((await forkbus("inspect", "-o", "json", "np")).stdout);
    assert.ok(Array.isArray(json) && json.length === 1);
    assert.match(JSON.stringify(json), /"state":"READY".*"load_us":81234/);
    assert.equal((await forkbus("rm", "np", "ts")).code, 0);
    assert.equal((await forkbus("rm", "np")).code, 1);
    assert.equal((await forkbus("rm", "-f", "np")).code, 0);
    assert.equal((await forkbus("ls", "-q")).stdout, "");
  });
});
