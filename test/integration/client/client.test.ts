import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  type Client,
  connect,
  InvalidArgumentError,
  QueueEmpty,
} from "../../../client/typescript/index.js";
import { packageRoot } from "../../../server/kernel/package-root.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";

const run = promisify(execFile);

describe("the client against a daemon", function () {
  this.timeout(30_000);
  let daemon: DaemonHarness;
  let bus: Client;

  beforeEach(async () => {
    daemon = await DaemonHarness.start();
    bus = await connect(daemon.address);
  });

  afterEach(async () => {
    bus.close();
    await daemon[Symbol.asyncDispose]();
  });

  it("runs the seed program, which prints its four lines and leaves nothing behind", async () => {
    const program = join(packageRoot, "dist/examples/hello-multiprocessing.js");
    const env = { ...process.env, FORKBUS_ADDRESS: daemon.address };
    const { stdout } = await run(process.execPath, [program], { env });
    assert.deepEqual(stdout.split("\n"), [
      "Parent Process started",
      "Message by Child Proc 1",
      "Message by Child Proc 2",
      "Parent Process Exiting",
      "",
    ]);
    assert.equal((await bus.processes.listProcesses({})).processes.length, 0);
    assert.equal((await bus.queues.listQueues({})).queues.length, 0);
  });

  it("gives a worker its input, and reads what it makes of it", async () => {
    await using child = await bus
      .process({ argv: ["sh", "-c", "tr a-z A-Z; echo done >&2"], openStdin: true })
      .start();
    await child.stdin.write("hello\n");
    await child.stdin.end("world\n");
    assert.equal(await child.stdout.text(), "HELLO\nWORLD\n");
    assert.equal(await child.stderr.text(), "done\n");
    assert.equal((await child.exited).succeeded, true);
  });

  it("tells codes from signals, and a bad program from a failing one", async () => {
    await using failing = await bus.process({ argv: ["sh", "-c", "exit 7"] }).start();
    await failing.join();
    assert.equal(failing.exitCode, 7);
    await using sleeping = await bus.process({ argv: ["sleep", "60"] }).start();
    assert.equal(await sleeping.kill(), true);
    await sleeping.join();
    assert.equal(sleeping.exitCode, -9);
    assert.equal(sleeping.exit?.cause, "signal-requested");
    assert.equal(await sleeping.kill(), false);
    await assert.rejects(
      bus.process({ argv: ["/no/such/program"] }).start(),
      (error) => error instanceof InvalidArgumentError && error.reason === "EXECUTABLE_NOT_FOUND",
    );
  });

  it("goes on waiting, reading and writing when the daemon is killed and started again", async () => {
    await using child = await bus.process({ argv: ["cat"], openStdin: true }).start();
    const reading = child.stdout.text();
    const exited = child.exited;
    await child.stdin.write("before, ");
    await daemon.crash();
    await child.stdin.end("and after");
    assert.equal((await exited).kind, "exited");
    assert.equal(child.exitCode, 0);
    assert.equal(await reading, "before, and after");
  });

  it("takes an aborted get back without losing an item, in any race", async () => {
    await using queue = await bus.queue({ codec: "utf8" });
    for (let round = 0; round < 100; round++) {
      const aborting = new AbortController();
      const getting = queue.get({ signal: aborting.signal });
      const putting = queue.put("item");
      aborting.abort(new Error("enough"));
      const got = await getting.then(
        () => 1,
        () => 0,
      );
      await putting;
      const left = (await queue.getMany(9, { timeoutMs: 0 })).length;
      assert.equal(got + left, 1, `round ${round}`);
    }
    await assert.rejects(queue.getNowait(), QueueEmpty);
  });

  it("shares a queue between loops: each item once, and all when one leaves early", async () => {
    const items = Array.from({ length: 5000 }, (_, index) => String(index));
    await using queue = await bus.queue({ codec: "utf8" });
    const seen: string[] = [];
    const loop = async (limit: number): Promise<void> => {
      for await (const item of queue) {
        seen.push(item);
        if (--limit === 0) break;
      }
    };
    const loops = [loop(Infinity), loop(Infinity), loop(100)];
    await queue.putMany(items);
    await loops[2];
    await queue.shutdown();
    await Promise.all(loops);
    for await (const item of queue) seen.push(item);
    assert.deepEqual(
      seen.sort((a, b) => Number(a) - Number(b)),
      items,
    );
  });

  it("returns what was not taken when a loop's connection goes away", async () => {
    await using queue = await bus.queue({ codec: "utf8" });
    await queue.putMany(Array.from({ length: 50 }, (_, index) => String(index)));
    const other = await connect(daemon.address);
    const loop = (await other.openQueue(queue.name, { codec: "utf8" })).items();
    assert.equal((await loop.next()).value, "0");
    other.close();
    await eventually(
      () => queue.size(),
      (size) => size === 49,
      { what: "the untaken items to come back" },
    );
    assert.equal(await queue.get(), "1");
  });
});
