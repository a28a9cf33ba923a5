import assert from "node:assert/strict";
import { inspect } from "node:util";
import {
  type Client,
  connect,
  TimedOutError,
  WorkerError,
  WorkerExitError,
} from "../../../client/typescript/index.js";
import { StartMethod } from "../../../proto/gen/forkbus/v1/process.js";
import { eventually } from "../../support/eventually.js";
import { FakeDaemon } from "../../support/fake-daemon.js";

const json = (value: unknown) => ({
  $case: "value" as const,
  value: { data: Buffer.from(JSON.stringify(value)), encoding: "json" },
});

const exception = {
  $case: "exception" as const,
  value: {
    type: "app.NotFound",
    message: "no such image",
    traceback:
      'Traceback (most recent call last):\n  File "app.py", line 3\napp.NotFound: no such image\n',
    payload: undefined,
  },
};

describe("The result of a function", () => {
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

  const worker = (name: string) => daemon.processes.worker({ name, uid: "" });
  const started = (name: string) => bus.process({ python: "app:f", name }).start();
  const theOnly = () =>
    eventually(
      () => [...daemon.processes.workers.values()][0],
      (found) => found !== undefined,
    );

  it("is waited for, and decoded, as often as it is asked for", async () => {
    const child = await started("one");
    const result = child.result();
    worker("one").finish(json({ size: [200, 100] }));
    assert.deepEqual(await result, { size: [200, 100] });
    assert.deepEqual(await child.result(), { size: [200, 100] });
    assert.equal(child.exitCode, 0);
    const attached = await bus.attach("one");
    assert.deepEqual(await attached.result(), { size: [200, 100] });
    assert.equal((await attached.resultPayload()).encoding, "json");
  });

  it("is an error with type, message and traceback when the function raised", async () => {
    const child = await started("one");
    worker("one").finish(exception);
    const error = await child.result().catch((thrown: unknown) => thrown);
    assert.ok(error instanceof WorkerError);
    assert.equal(error.name, "WorkerError");
    assert.equal(error.message, "app.NotFound: no such image");
    assert.equal(error.type, "app.NotFound");
    assert.equal(error.process, "one");
    assert.match(error.traceback, /app\.py", line 3/);
    assert.equal(error.exception.message, "no such image");
    assert.equal(error.exception.payload, undefined);
    // What is printed of an error that nobody caught.
    assert.match(inspect(error), /In the worker one:\nTraceback[^]*app\.py", line 3/);
  });

  it("says how the worker ended when that gave none", async () => {
    const killed = await started("killed");
    worker("killed").end({
      $case: "signal",
      value: { number: 9, name: "SIGKILL", coreDumped: false },
    });
    const error = await killed.result().catch((thrown: unknown) => thrown);
    assert.ok(error instanceof WorkerExitError);
    assert.equal(error.message, "The worker killed gave no result: it was killed by SIGKILL");
    assert.equal(error.process, "killed");
    assert.ok(error.exit.kind === "signaled" && error.exit.signal === 9);

    const left = await started("left");
    worker("left").end({ $case: "exitCode", value: 0 });
    await assert.rejects(left.result(), /gave no result: it exited with code 0$/);
  });

  it("is not waited for longer than one wants", async () => {
    const child = await started("one");
    await assert.rejects(child.result({ timeoutMs: 10 }), TimedOutError);
    const reason = new Error("enough");
    await assert.rejects(child.result({ signal: AbortSignal.abort(reason) }), reason);
  });

  it("is nothing that a program has", async () => {
    const child = await bus.process({ argv: ["true"] }).start();
    await assert.rejects(child.result(), { name: "TypeError", message: /runs a program/ });
  });

  it("comes in one call, which leaves nothing behind", async () => {
    const calling = bus.call({ python: "app:f", args: [1] });
    (await theOnly())?.finish(json(42));
    assert.equal(await calling, 42);
    assert.equal(daemon.processes.workers.size, 0);
  });

  it("leaves the record of a call that failed", async () => {
    const calling = bus.call({ python: "app:f", name: "one" });
    (await theOnly())?.finish(exception);
    await assert.rejects(calling, { name: "WorkerError", process: "one" });
    assert.equal(daemon.processes.workers.size, 1);
  });

  it("stops the worker of a call that is given up", async () => {
    const aborting = new AbortController();
    const reason = new Error("enough");
    const calling = bus.call({ node: "./m.js#f" }, { signal: aborting.signal });
    const abandoned = await theOnly();
    aborting.abort(reason);
    await assert.rejects(calling, reason);
    assert.equal(abandoned?.ended, true);

    await assert.rejects(bus.call({ python: "app:f", name: "two" }, { timeoutMs: 30 }), {
      name: "TimedOutError",
    });
    assert.equal(worker("two").ended, true);
  });

  it("does not touch another process of the name that a call was to have", async () => {
    await started("one");
    await assert.rejects(bus.call({ python: "app:f", name: "one" }), { reason: "PROCESS_EXISTS" });
    assert.equal(worker("one").ended, false);
  });
});

describe("A worker that was forked", () => {
  it("says how it was started and where the time went", async () => {
    await using daemon = await FakeDaemon.start();
    await using bus = await connect(daemon.address);
    const child = await bus.process({ python: "app:f", name: "one" }).start();
    assert.equal(child.startTimings, undefined);
    assert.equal(child.startMethod, undefined);
    assert.equal(child.templateGeneration, undefined);
    daemon.processes.worker({ name: "one", uid: "" }).learn({
      startMethod: StartMethod.FORKSERVER,
      warm: true,
      templateGeneration: 3n,
      unenforcedLimits: ["memory_max_bytes"],
      startTimings: { admissionUs: 100n, forkUs: 1500n, totalUs: 2900n },
    });
    await child.refresh();
    assert.equal(child.startMethod, "forkserver");
    assert.equal(child.warm, true);
    assert.equal(child.templateGeneration, 3);
    assert.deepEqual(child.unenforcedLimits, ["memory_max_bytes"]);
    assert.deepEqual(child.startTimings, {
      admissionMs: 0.1,
      pendingMs: 0,
      hopMs: 0,
      forkMs: 1.5,
      specialiseMs: 0,
      firstLineMs: 0,
      totalMs: 2.9,
    });
  });

  it("serves forks until it is released, which may be said again when the answer was lost", async () => {
    await using daemon = await FakeDaemon.start();
    await using bus = await connect(daemon.address);
    const child = await bus.process({ python: "app:f", name: "one" }).start();
    await assert.rejects(child.release(), { reason: "FORKS_NOT_SERVED" });
    daemon.processes.worker({ name: "one", uid: "" }).learn({ servesForks: true });
    assert.equal((await child.refresh()).servesForks, true);
    daemon.loseAnswer("ReleaseProcess");
    await child.release();
    assert.equal((await child.refresh()).servesForks, false);
  });
});
