import assert from "node:assert/strict";
import { inspect } from "node:util";
import { Status } from "nice-grpc";
import {
  AlreadyExistsError,
  type Client,
  connect,
  NotFoundError,
  TemplateFailedError,
  type TemplateOptions,
  TimedOutError,
} from "../../../client/typescript/index.js";
import { Runtime } from "../../../proto/gen/forkbus/v1/types.js";
import { eventually } from "../../support/eventually.js";
import { FakeDaemon } from "../../support/fake-daemon.js";
import { FakeFailure } from "../../support/fake-daemon-failure.js";

const numpy: TemplateOptions = {
  name: "numpy",
  runtime: "python",
  preload: ["numpy"],
  init: { function: "app:warm_up", kwargs: { size: 2 } },
  env: { A: "1" },
  modulePath: ["/srv/app"],
  keepFds: ["socket:*"],
  warmWorkers: 2,
  labels: { team: "a" },
};

const failure = {
  module: "numpy",
  message: "numpy raised ImportError",
  exception: {
    type: "ImportError",
    message: "no BLAS",
    traceback: 'Traceback:\n  File "numpy/__init__.py"\n',
  },
};

describe("A template", () => {
  let daemon: FakeDaemon;
  let bus: Client;

  beforeEach(async () => {
    daemon = await FakeDaemon.start();
    bus = await connect(daemon.address);
  });

  afterEach(async () => {
    bus.close();
    await daemon[Symbol.asyncDispose]();
  });

  it("is asked for with everything that was said", async () => {
    const template = await bus.templates.create(numpy);
    assert.equal(template.name, "numpy");
    assert.equal(template.runtime, "python");
    assert.deepEqual(template.labels, { team: "a" });
    const { spec } = daemon.templates.template("numpy");
    assert.equal(spec?.runtime, Runtime.PYTHON);
    assert.deepEqual(spec.preload, ["numpy"]);
    assert.deepEqual(spec.env, { A: "1" });
    assert.deepEqual(spec.modulePath, ["/srv/app"]);
    assert.deepEqual(spec.keepFds, ["socket:*"]);
    assert.equal(spec.warmWorkers, 2);
    assert.equal(spec.init?.function, "app:warm_up");
    assert.equal(Buffer.from(spec.init.arguments?.data ?? []).toString(), '{"size":2}');
  });

  it("has no option that there is not, nor has its init: both are slips of JavaScript", async () => {
    const options = { name: "t", runtime: "python" } as const;
    await assert.rejects(bus.templates.create({ ...options, ...{ preloads: ["m"] } }), {
      name: "TypeError",
      message: "A template has no option preloads",
    });
    const init = { function: "m:f", ...{ arguments: [1] } };
    await assert.rejects(bus.templates.create({ ...options, init }), {
      name: "TypeError",
      message: "An init has no option arguments",
    });
  });

  it("is ready when its zygote is, and shows what that has inside", async () => {
    const template = await bus.templates.create(numpy);
    assert.equal(template.state, "starting");
    assert.equal(template.servingGeneration, undefined);
    assert.equal(await template.wait({ timeoutMs: 0 }), false);
    await assert.rejects(template.ready({ timeoutMs: 10 }), TimedOutError);
    const ready = template.ready();
    daemon.templates.becomeReady("numpy", {
      runtimeVersion: "3.11.7",
      modules: [{ name: "numpy", loadUs: 81_234 }],
      rssBytes: 1024n,
      forks: 3n,
    });
    assert.equal(await ready, template);
    assert.equal(template.state, "ready");
    assert.equal(template.servingGeneration, 1);
    const { report } = template;
    assert.deepEqual(report?.modules, [{ name: "numpy", loadMs: 81.234 }]);
    assert.equal(report.runtimeVersion, "3.11.7");
    assert.equal(report.rssBytes, 1024);
    assert.equal(report.forks, 3);
  });

  it("says why it failed, with the traceback", async () => {
    const template = await bus.templates.create(numpy);
    daemon.templates.fail("numpy", failure);
    const error = await template.ready().catch((thrown: unknown) => thrown);
    assert.ok(error instanceof TemplateFailedError);
    assert.equal(error.message, "The template numpy has failed: numpy raised ImportError");
    assert.equal(error.reason, "PRELOAD_FAILED");
    assert.deepEqual(error.metadata, {
      template: "numpy",
      module: "numpy",
      exception: "ImportError",
    });
    assert.match(inspect(error), /In the zygote of numpy:\nTraceback/);
    assert.equal(template.state, "failed");
    assert.equal(template.failure?.exception?.message, "no BLAS");
    // What a create from it is answered with is the same error.
    const refusal = new FakeFailure(Status.FAILED_PRECONDITION, "PRELOAD_FAILED", "failed", {});
    daemon.failNext("CreateProcess", refusal);
    const child = bus.process({ python: "app:f", template });
    await assert.rejects(child.start(), TemplateFailedError);
  });

  it("is made once, however often the answer is lost, and refused when the name is taken", async () => {
    daemon.loseAnswer("CreateTemplate");
    await bus.templates.create(numpy);
    assert.equal(daemon.calls.get("CreateTemplate"), 2);
    await assert.rejects(bus.templates.create(numpy), AlreadyExistsError);
  });

  it("gets a new generation from another spec, and none from the same", async () => {
    const template = await bus.templates.create(numpy);
    daemon.templates.becomeReady("numpy");
    await template.update(numpy);
    assert.equal(template.newestGeneration, 1);
    await template.update({ ...numpy, preload: ["numpy", "scipy"] });
    assert.equal(template.newestGeneration, 2);
    const ready = template.ready();
    daemon.templates.fail("numpy", failure);
    await assert.rejects(ready, TemplateFailedError);
    // The old generation goes on.
    assert.equal(template.state, "ready");
    assert.equal(template.servingGeneration, 1);
  });

  it("is made, brought up to date, or left alone by ensure, which waits until it serves", async () => {
    const first = bus.templates.ensure(numpy);
    await eventually(
      () => daemon.calls.get("WaitTemplate"),
      (calls) => calls === 1,
    );
    daemon.templates.becomeReady("numpy");
    const made = await first;
    assert.equal(made.state, "ready");
    const same = await bus.templates.ensure(numpy);
    assert.equal(same.uid, made.uid);
    assert.equal(same.newestGeneration, 1);
    const changing = bus.templates.ensure({ ...numpy, preload: [] });
    await eventually(
      () => daemon.templates.template("numpy").status?.newestGeneration,
      (generation) => generation === 2n,
    );
    daemon.templates.becomeReady("numpy");
    assert.equal((await changing).servingGeneration, 2);
    await assert.rejects(
      bus.templates.ensure({ name: "numpy", runtime: "node" }),
      AlreadyExistsError,
    );
    await assert.rejects(
      bus.templates.ensure({ ...numpy, name: "never" }, { timeoutMs: 20 }),
      TimedOutError,
    );
  });

  it("is found by its name, listed over pages, and deleted any number of times", async () => {
    for (const name of ["c", "a", "b"]) await bus.templates.create({ name, runtime: "node" });
    const names: string[] = [];
    for await (const template of bus.templates.list({ pageSize: 2 })) names.push(template.name);
    assert.deepEqual(names, ["a", "b", "c"]);
    const template = await bus.templates.get("a");
    assert.equal(template.runtime, "node");
    await template.delete();
    await bus.templates.delete("a");
    await assert.rejects(bus.templates.get("a"), NotFoundError);
    await assert.rejects(template.refresh(), NotFoundError);
  });
});
