import assert from "node:assert/strict";
import { join } from "node:path";
import {
  type Client,
  connect,
  type ProcessOptions,
  TemplateFailedError,
  WorkerError,
  WorkerExitError,
} from "../../../client/typescript/index.js";
import { packageRoot } from "../../../server/kernel/package-root.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { forkbus } from "../cli/cli-process.js";

const functions = join(packageRoot, "test/fixtures/functions");
const modulePath = [functions];

/** The same functions in both languages, by name. */
const languages = [
  {
    language: "python" as const,
    target: (name: string) => ({ python: `arithmetic:${name}`, modulePath }),
    errorType: "ValueError",
    preload: "arithmetic",
    loadedBefore: "was_loaded_before",
  },
  {
    language: "node" as const,
    target: (name: string) => ({ node: `./arithmetic.mjs#${name}`, modulePath }),
    errorType: "RangeError",
    preload: join(functions, "arithmetic.mjs"),
    loadedBefore: "wasLoadedBefore",
  },
];

describe("functions of a daemon", function () {
  this.timeout(60_000);
  let daemon: DaemonHarness;
  let bus: Client;

  before(async () => {
    daemon = await DaemonHarness.start();
    bus = await connect(daemon.address);
  });

  after(async () => {
    bus.close();
    await daemon[Symbol.asyncDispose]();
  });

  for (const { language, target, errorType, preload, loadedBefore } of languages) {
    describe(`in ${language}`, () => {
      it("give back what they return, also when that takes a while", async () => {
        assert.equal(await bus.call({ ...target("add"), args: [2, 3] }), 5);
        assert.equal(await bus.call({ ...target("add"), args: [2] }), 3);
        assert.deepEqual(await bus.call({ ...target("later"), args: [{ a: [null] }] }), {
          a: [null],
        });
      });

      it("take and give bytes", async () => {
        const payload = { data: Buffer.from([0, 1, 255]), encoding: "raw" };
        const value = await bus.call({ ...target("backwards"), payload });
        assert.deepEqual(value, Buffer.from([255, 1, 0]));
      });

      it("are started in each way, and say where the time went", async () => {
        for (const method of ["forkserver", "spawn"] as const) {
          await using child = await bus.spawn({ ...target("add"), args: [1], method });
          assert.equal(await child.result(), 2);
          assert.equal(child.startMethod, method);
          const timings = child.startTimings;
          assert.ok(timings, method);
          const { totalMs, ...parts } = timings;
          const sum = Object.values(parts).reduce((total, part) => total + part, 0);
          assert.ok(totalMs > 0 && Math.abs(sum - totalMs) <= 1, `${sum} of ${totalMs} ms`);
        }
      });

      it("raise what they raise, with a traceback, and leave it on stderr", async () => {
        const child = await bus.spawn({ ...target("fail"), args: ["too bad"] });
        const error = await child.result().catch((thrown: unknown) => thrown);
        assert.ok(error instanceof WorkerError, String(error));
        assert.equal(error.type, errorType);
        assert.equal(error.exception.message, "too bad");
        assert.match(error.traceback, /arithmetic\.(py|mjs)/);
        assert.equal(child.exitCode, 1);
        assert.match(await child.stderr.text(), /too bad/);
      });

      it("that are not there, or get what they cannot read, are errors of the worker", async () => {
        await assert.rejects(bus.call(target("nothing")), WorkerError);
        const payload = { data: Buffer.from("{"), encoding: "json" };
        await assert.rejects(bus.call({ ...target("add"), payload }), WorkerError);
      });

      it("that leave, or are killed, give no result, and say how they ended", async () => {
        const left = await bus.spawn({ ...target("leave"), args: [3] });
        const error = await left.result().catch((thrown: unknown) => thrown);
        assert.ok(error instanceof WorkerExitError, String(error));
        assert.ok(error.exit.kind === "exited" && error.exit.code === 3);
        const waiting = await bus.spawn(target("wait"));
        const result = waiting.result();
        await waiting.kill();
        await assert.rejects(result, /was killed by SIGKILL/);
      });

      it("that are given up are stopped", async () => {
        const name = `${language}/given-up`;
        const call = bus.call({ ...target("wait"), name }, { timeoutMs: 500 });
        await assert.rejects(call, { name: "TimedOutError" });
        const child = await bus.attach(name);
        assert.equal(await child.join({ timeoutMs: 20_000 }), true);
      });

      it("begin with what their template has loaded", async () => {
        const template = await bus.templates.ensure({
          name: `${language}/loaded`,
          runtime: language,
          preload: [preload],
          modulePath,
        });
        assert.equal(template.state, "ready");
        assert.deepEqual(
          template.report?.modules.map((module) => module.name),
          [preload],
        );
        await using child = await bus.spawn({ ...target(loadedBefore), template });
        assert.equal(await child.result(), true);
        assert.equal(child.startMethod, "forkserver");
        assert.equal(child.templateGeneration, 1);
        await template.delete();
      });

      it("are called from the command line, which prints their result", async () => {
        const name = language === "python" ? "arithmetic:say" : "./arithmetic.mjs#say";
        const options = [`--${language}`, name, "--module-path", functions];
        const said = await forkbus(daemon.address, ["run", ...options, "--args", '["hello"]']);
        assert.deepEqual(said, { code: 0, stdout: 'hello\n{"said":"hello"}\n', stderr: "" });
        const failing = [...options.slice(0, 1), name.replace("say", "fail"), ...options.slice(2)];
        const failed = await forkbus(daemon.address, ["run", ...failing, "--args", '["too bad"]']);
        assert.equal(failed.code, 1);
        assert.equal(failed.stdout, "");
        assert.match(failed.stderr, /arithmetic\.(py|mjs)/);
        assert.match(failed.stderr, new RegExp(`raised ${errorType}: too bad\n$`));
      });
    });
  }

  it("take keyword arguments in python", async () => {
    const value = await bus.call({ python: "arithmetic:add", kwargs: { b: 5, a: 2 }, modulePath });
    assert.equal(value, 7);
  });

  it("are found by the URL of their file in node", async () => {
    const node = new URL(`file://${functions}/arithmetic.mjs`);
    assert.equal(await bus.call({ node, args: [20, 3], modulePath: [] }), 23);
  });

  it("fail to start from a template whose preload fails, and the template says why", async () => {
    const template = await bus.templates.apply({
      name: "broken",
      runtime: "python",
      preload: ["broken"],
      modulePath,
    });
    await assert.rejects(template.ready(), (error) => {
      assert.ok(error instanceof TemplateFailedError);
      assert.equal(error.metadata["module"], "broken");
      return true;
    });
    assert.equal(template.state, "failed");
    assert.match(template.failure?.exception?.traceback ?? "", /this module is broken/);
    await assert.rejects(bus.spawn({ python: "arithmetic:add", template }), TemplateFailedError);
    const created = await forkbus(daemon.address, [
      ...["template", "create", "broken", "--replace", "--runtime", "python"],
      ...["-p", "broken", "--module-path", functions],
    ]);
    assert.equal(created.code, 1);
    assert.match(created.stderr, /RuntimeError: this module is broken/);
    await template.delete();
  });

  it("know the worker that they run in, and reach the daemon from there", async () => {
    const target: ProcessOptions = { node: "./arithmetic.mjs#self", modulePath, args: [1, "a"] };
    await using child = await bus.spawn({ ...target, name: "knowing" });
    assert.deepEqual(await child.result(), {
      isWorker: true,
      id: child.uid.replaceAll("-", ""),
      name: "knowing",
      arguments: [1, "a"],
      address: daemon.address,
    });
    await using queue = await bus.queue({ name: "reports", codec: "json" });
    const node = "./arithmetic.mjs#report";
    await bus.call({ node, modulePath, args: [queue.name], name: "reporting" });
    assert.equal(await queue.get(), "reporting");
    await queue.delete();
  });

  it("serve forks with their state until they are released", async () => {
    const queue = await bus.queue({ name: "served", codec: "json" });
    const node = "./arithmetic.mjs#serve";
    await using parent = await bus.spawn({ node, modulePath, args: [42, "served"] });
    assert.equal(await queue.get(), parent.name);
    await eventually(
      () => parent.refresh(),
      (process) => process.servesForks,
      { what: "the worker to serve forks" },
    );
    await using child = await bus.spawn({
      node: "./arithmetic.mjs#remembered",
      modulePath,
      forkFrom: parent,
    });
    assert.equal(await child.result(), 42);
    assert.equal(child.startMethod, "fork");
    await parent.release();
    assert.equal(await parent.result(), parent.name);
    assert.equal(await queue.get(), parent.name);
    assert.equal(parent.servesForks, false);
    await assert.rejects(parent.release());
    await queue.delete();
  });

  it("run within limits where cgroup v2 is delegated, and without them only when that is accepted", async () => {
    const target = { python: "arithmetic:add", args: [1], modulePath };
    const limits = { memoryMaxBytes: 1 << 30, pidsMax: 100 };
    await using accepted = await bus.spawn({ ...target, limits: { ...limits, bestEffort: true } });
    assert.equal(await accepted.result(), 2);
    const strict = bus.spawn({ ...target, limits });
    if (accepted.unenforcedLimits.length === 0) {
      await using child = await strict;
      assert.equal(await child.result(), 2);
    } else {
      await assert.rejects(strict, { reason: "KERNEL_FEATURE_MISSING" });
    }
  });
});
