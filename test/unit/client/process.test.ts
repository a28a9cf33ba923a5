import assert from "node:assert/strict";
import { Status } from "nice-grpc";
import {
  AlreadyExistsError,
  type Client,
  connect,
  NotFoundError,
  ProcessEndedError,
  UnavailableError,
} from "../../../client/typescript/index.js";
import { ProcessState } from "../../../proto/gen/forkbus/v1/process.js";
import { FakeDaemon } from "../../support/fake-daemon.js";
import { FakeFailure } from "../../support/fake-daemon-failure.js";
import { until } from "../../support/fake-daemon-until.js";

const unavailable = new FakeFailure(Status.UNAVAILABLE, "DRAINING", "stops", {}, 5);

describe("A process", () => {
  let daemon: FakeDaemon;
  let bus: Client;

  beforeEach(async () => {
    daemon = await FakeDaemon.start();
    bus = await connect(daemon.address, { reconnectMs: 5000 });
  });

  afterEach(async () => {
    bus.close();
    await daemon[Symbol.asyncDispose]();
  });

  const worker = (name: string) => daemon.processes.worker({ name, uid: "" });

  it("is refused before anything is asked for where an option is misspelled", () => {
    assert.throws(() => bus.process({ argv: ["true"], ...{ nmae: "one" } }), {
      name: "TypeError",
      message: "A program has no option nmae",
    });
  });

  it("has no pid, no uid and no life before it is started", async () => {
    const child = bus.process({ argv: ["true"] });
    assert.equal(child.pid, undefined);
    assert.equal(child.exitCode, undefined);
    assert.equal(await child.isAlive(), false);
    assert.throws(() => child.uid, /has not been started/);
  });

  it("runs, ends and keeps its exit code", async () => {
    const child = await bus.process({ argv: ["false"], name: "one" }).start();
    assert.equal(child.name, "one");
    assert.equal(child.state, "running");
    assert.equal(await child.isAlive(), true);
    assert.equal(await child.join({ timeoutMs: 0 }), false);
    worker("one").end({ $case: "exitCode", value: 3 });
    assert.equal(await child.join(), true);
    assert.equal(child.exitCode, 3);
    assert.equal(child.exit?.kind, "exited");
    assert.equal(await child.isAlive(), false);
  });

  it("has the negative signal number as exit code when a signal killed it, and null when nobody knows", async () => {
    const killed = await bus.process({ argv: ["x"], name: "killed" }).start();
    worker("killed").end({
      $case: "signal",
      value: { number: 9, name: "SIGKILL", coreDumped: false },
    });
    const exit = await killed.exited;
    assert.ok(exit.kind === "signaled" && exit.signalName === "SIGKILL" && !exit.succeeded);
    assert.equal(killed.exitCode, -9);

    const lost = await bus.process({ argv: ["x"], name: "lost" }).start();
    worker("lost").end({ $case: "lost", value: { reason: 1, message: "rebooted" } });
    await lost.join();
    assert.equal(lost.exitCode, null);
    assert.ok(lost.exit?.kind === "lost" && lost.exit.reason === "reboot");
  });

  it("is started once, however often the answer is lost", async () => {
    daemon.loseAnswer("CreateProcess");
    daemon.failNext("CreateProcess", unavailable);
    const child = await bus.process({ argv: ["true"] }).start();
    assert.equal(daemon.processes.workers.size, 1);
    assert.equal(daemon.calls.get("CreateProcess"), 3);
    await child.start();
    assert.equal(daemon.processes.workers.size, 1);
  });

  it("is not started again after an answer that no repetition can change", async () => {
    await bus.process({ argv: ["true"], name: "one" }).start();
    await assert.rejects(bus.process({ argv: ["true"], name: "one" }).start(), AlreadyExistsError);
    assert.equal(daemon.calls.get("CreateProcess"), 2);
  });

  it("is waited for over a restart of the daemon", async () => {
    const child = await bus.process({ argv: ["sleep"], name: "one" }).start();
    const exited = child.exited;
    await until(() => daemon.calls.get("WaitProcess") === 1, 5000);
    daemon.kill();
    await daemon.listen();
    worker("one").end({ $case: "exitCode", value: 0 });
    assert.equal((await exited).succeeded, true);
  });

  it("is given up when the daemon stays away for longer than reconnectMs", async () => {
    await using impatient = await connect(daemon.address, { reconnectMs: 100 });
    const child = await impatient.process({ argv: ["sleep"] }).start();
    daemon.kill();
    await assert.rejects(child.join(), UnavailableError);
  });

  it("goes on when a join is aborted, which rejects with the signal's reason", async () => {
    const child = await bus.process({ argv: ["sleep"] }).start();
    const aborting = new AbortController();
    const joining = child.join({ signal: aborting.signal });
    await until(() => daemon.calls.get("WaitProcess") === 1, 5000);
    const reason = new Error("enough");
    aborting.abort(reason);
    await assert.rejects(joining, reason);
    assert.equal(await child.isAlive(), true);
  });

  it("gets signals by name, and tells when it had ended", async () => {
    const child = await bus.process({ argv: ["sleep"], name: "one" }).start();
    assert.equal(await child.terminate(), true);
    assert.equal(await child.kill(), true);
    await child.signal("SIGUSR1");
    assert.deepEqual(worker("one").signals, ["SIGTERM", "SIGKILL", "SIGUSR1"]);
    worker("one").end({ $case: "exitCode", value: 0 });
    assert.equal(await child.terminate(), false);
    await assert.rejects(child.signal("SIGUSR1"), ProcessEndedError);
  });

  it("does not send a signal twice on its own account", async () => {
    const child = await bus.process({ argv: ["sleep"], name: "one" }).start();
    daemon.loseAnswer("SignalProcess");
    await assert.rejects(child.signal("SIGUSR1"), UnavailableError);
    assert.deepEqual(worker("one").signals, ["SIGUSR1"]);
  });

  it("is stopped and removed when the handle that started it is disposed", async () => {
    {
      await using child = await bus.process({ argv: ["sleep"], name: "one" }).start();
      await using attached = await bus.attach("one");
      assert.equal(attached.uid, child.uid);
    }
    assert.equal(daemon.processes.workers.size, 0);
    assert.equal(daemon.calls.get("StopProcess"), 1);
  });

  it("is left alone when only attached to, and known by its uid", async () => {
    const child = await bus.process({ argv: ["sleep"], name: "one" }).start();
    {
      await using attached = await bus.attach("one");
      assert.equal(attached.name, "one");
    }
    assert.equal(await child.isAlive(), true);
    await child.delete({ force: true });
    await bus.process({ argv: ["sleep"], name: "one" }).start();
    await assert.rejects(child.terminate(), { reason: "UID_MISMATCH" });
    await assert.rejects(bus.attach("two"), NotFoundError);
  });

  it("is listed over pages, in order, and by state", async () => {
    for (const name of ["c", "a", "b", "e", "d"]) await bus.process({ argv: ["x"], name }).start();
    worker("b").end({ $case: "exitCode", value: 0 });
    const names = async (states: readonly "exited"[]) => {
      const found: string[] = [];
      for await (const child of bus.list({ pageSize: 2, states })) found.push(child.name);
      return found;
    };
    assert.deepEqual(await names([]), ["a", "b", "c", "d", "e"]);
    assert.equal(daemon.calls.get("ListProcesses"), 3);
    assert.deepEqual(await names(["exited"]), ["b"]);
    assert.equal(worker("b").message.status?.state, ProcessState.EXITED);
  });
});
