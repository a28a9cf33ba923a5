import assert from "node:assert/strict";
import {
  type Client,
  connect,
  NotFoundError,
  type Process,
  UnavailableError,
} from "../../client/typescript/index.js";
import { CertificateAuthority } from "../support/certificate-authority.js";
import { eventually } from "../support/eventually.js";
import { ForkbusContainer } from "./support/forkbus-container.js";
import { setUp } from "./support/set-up.js";

/** Ends with a code that no signal makes, and only when it is asked to. */
const STAYS = ["sh", "-c", "trap 'exit 9' TERM; echo up; while :; do sleep 600 & wait; done"];
/** The client gives up a wait after this time, when the daemon says nothing. */
const PATIENCE_MS = 5_000;

describe("a client of a daemon in a container", () => {
  const authority = new CertificateAuthority();
  let daemon: ForkbusContainer;
  let bus: Client;

  before(setUp);

  beforeEach(async () => {
    daemon = await ForkbusContainer.start(authority);
    bus = await daemon.connect();
  });

  afterEach(async () => {
    await bus[Symbol.asyncDispose]();
    await daemon[Symbol.asyncDispose]();
  });

  after(() => {
    authority[Symbol.dispose]();
  });

  /** A worker that is known to have begun. */
  async function staying(): Promise<Process> {
    const worker = await bus.process({ argv: STAYS }).start();
    for await (const line of worker.stdout.lines()) if (line === "up") break;
    return worker;
  }

  async function aloneAgain(text: string, before: readonly number[]): Promise<void> {
    await eventually(
      () => daemon.pidsOf(text),
      (pids) => pids.length === 1 && !before.includes(pids[0] ?? 0),
      { what: `another ${text}` },
    );
  }

  it("does not notice that the container was paused, but as time that passes", async () => {
    const queue = await bus.queue({ name: "jobs", codec: "utf8" });
    const got: string[] = [];
    const consuming = (async () => {
      for await (const item of queue) got.push(item);
    })();
    const items = Array.from({ length: 500 }, (_, n) => `${n}`);
    await queue.putMany(items.slice(0, 200));
    await daemon.container.pause();
    const late = queue.putMany(items.slice(200));
    const asking = bus.openQueue("jobs", { signal: AbortSignal.timeout(500) });
    await assert.rejects(asking, { name: "TimeoutError" }, "nobody answers");
    await daemon.container.unpause();
    await late;
    await queue.shutdown();
    await consuming;
    assert.deepEqual(got, items);
  });

  it("gives up a wait in bounded time while the container is paused", async () => {
    const queue = await bus.queue();
    await daemon.container.pause();
    const began = performance.now();
    await assert.rejects(queue.get({ signal: AbortSignal.timeout(300) }), { name: "TimeoutError" });
    const ms = performance.now() - began;
    assert.ok(ms < PATIENCE_MS + 3_000, `it took ${ms} ms`);
    await daemon.container.unpause();
    await queue.put(Buffer.from("still there"));
    assert.equal(await queue.size(), 1);
  });

  it("has its workers as they were when the daemon inside is killed, and no queues", async () => {
    const worker = await staying();
    const { pid } = worker;
    const ended = worker.exited;
    const queue = await bus.queue({ name: "jobs" });
    await queue.put(Buffer.from("gone"));
    const before = await daemon.pidsOf("server/main.js");
    await daemon.run("kill", "-KILL", String(before[0]));
    await aloneAgain("server/main.js", before);
    await worker.refresh();
    assert.deepEqual([worker.state, worker.pid], ["running", pid]);
    await assert.rejects(queue.size(), NotFoundError);
    await worker.terminate();
    const exit = await ended;
    assert.equal(exit.kind === "exited" && exit.code, 9);
  });

  it("has its workers as they were when the keeper inside is killed", async () => {
    const worker = await staying();
    const { pid } = worker;
    const queue = await bus.queue();
    await queue.put(Buffer.from("stays"));
    const before = await daemon.pidsOf("forkbus-keeper --socket");
    await daemon.run("kill", "-KILL", String(before[0]));
    await aloneAgain("forkbus-keeper --socket", before);
    await eventually(
      () =>
        bus
          .process({ argv: ["true"] })
          .start()
          .catch(() => undefined),
      (started) => started !== undefined,
      { what: "the new keeper to start workers" },
    );
    await worker.refresh();
    assert.deepEqual([worker.state, worker.pid], ["running", pid]);
    assert.equal(await queue.size(), 1);
    assert.ok(["graceful", "killed"].includes(await worker.stop()));
    assert.ok(worker.exit !== undefined);
  });

  it("learns how its workers ended when the container is restarted in order", async () => {
    const worker = await staying();
    const ended = worker.exited;
    await daemon.container.restart({ t: 30 });
    const exit = await ended;
    assert.equal(exit.kind === "exited" && exit.code, 9);
    assert.equal(await worker.stdout.text(), "up\n");
  });

  it("learns that its workers are lost when the container is killed, and what had ended before", async () => {
    const done = await bus.process({ argv: ["sh", "-c", "echo done; exit 3"] }).start();
    await done.join();
    const worker = await staying();
    const ended = worker.exited;
    const queue = await bus.queue({ name: "jobs" });
    const iterating = (async () => {
      for await (const item of queue) assert.fail(`nobody has put ${item.length} bytes`);
    })();
    const noted = assert.rejects(iterating, NotFoundError);
    await daemon.container.kill();
    // Sent again and again until the daemon is back: it makes one worker.
    const starting = bus.process({ argv: ["true"], labels: { made: "while-away" } }).start();
    await daemon.container.start();
    const exit = await ended;
    // Which of the two depends on whether the kernel has used the number of the old pid namespace again.
    assert.ok(exit.kind === "lost" && ["namespace-gone", "keeper-died"].includes(exit.reason));
    await noted;
    await starting;
    const made: string[] = [];
    for await (const { name } of bus.list({ labels: { made: "while-away" } })) made.push(name);
    assert.equal(made.length, 1);
    const same = await bus.attach(done.name);
    assert.deepEqual([same.exitCode, await same.stdout.text()], [3, "done\n"]);
  });

  it("is told in bounded time when the daemon does not come back", async () => {
    const tls = { ca: authority.ca };
    await using hasty = await connect(daemon.address, { tls, reconnectMs: 500 });
    const worker = await hasty.process({ argv: ["sleep", "600"] }).start();
    const queue = await hasty.queue({ name: "jobs" });
    const began = performance.now();
    const waiting = Promise.allSettled([worker.join(), queue.get()]);
    await daemon.container.kill();
    const later = Promise.allSettled([worker.refresh(), queue.put(Buffer.from("late"))]);
    for (const outcome of [...(await waiting), ...(await later)]) {
      assert.ok(outcome.status === "rejected" && outcome.reason instanceof UnavailableError);
    }
    const ms = performance.now() - began;
    assert.ok(ms < 10_000, `it took ${ms} ms`);
  });
});
