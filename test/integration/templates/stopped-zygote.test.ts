import assert from "node:assert/strict";
import { type Client, connect, type ProcessOptions } from "../../../client/typescript/index.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { childrenOf, commandLine, isAlive } from "../daemon/support/proc-fs.js";

describe("a zygote that somebody has stopped", function () {
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

  const targets: readonly ProcessOptions[] = [
    { python: "math:sqrt", args: [4] },
    { node: "node:path#basename", args: ["/a/b"] },
  ];

  it("is replaced in a few seconds, and creates are not the worse for it", async () => {
    await Promise.all(targets.map(isReplaced));
  });

  async function isReplaced(target: ProcessOptions): Promise<void> {
    const language = "python" in target ? "python" : "node";
    const template = await bus.templates.get(language);
    const { report } = await template.ready();
    const pid = report?.pid ?? assert.fail("a zygote without a report");
    process.kill(pid, "SIGSTOP");
    const started = performance.now();
    const workers = await Promise.all([0, 1, 2].map(() => bus.spawn(target)));
    const tookMs = performance.now() - started;
    assert.ok(tookMs < 9000, `${language} after ${tookMs} ms`);
    for (const worker of workers) assert.ok((await worker.result()) !== undefined);
    const now = await template.refresh();
    assert.equal(now.zygoteRestarts, 1, language);
    assert.notEqual(now.report?.pid, pid);
    await eventually(
      () => isAlive(pid),
      (alive) => !alive,
    );
  }

  it("leaves its warm workers to be used, and one of these that is stopped is done without", async () => {
    const template = await bus.templates.create({ name: "one", runtime: "python", warmWorkers: 1 });
    await template.ready();
    const isWarm = (count: number): boolean => count === 1;
    await eventually(async () => (await template.refresh()).warmWorkers, isWarm);
    const { keeperPid } = daemon;
    const zygote = (await template.refresh()).report?.pid;
    const [warm, ...others] = childrenOf(keeperPid ?? 0).filter(
      (pid) => pid !== zygote && commandLine(pid).startsWith("forkbus template: one"),
    );
    assert.ok(warm !== undefined && others.length === 0);
    process.kill(warm, "SIGSTOP");
    const worker = await bus.spawn({ python: "math:sqrt", args: [16], template: "one" });
    assert.equal(await worker.result(), 4);
    assert.equal((await template.refresh()).zygoteRestarts, 0);
    assert.equal(isAlive(warm), false);
    await template.delete();
  });

  it("is replaced also when nobody but its warm workers is to be made", async () => {
    const template = await bus.templates.create({
      name: "warm",
      runtime: "python",
      warmWorkers: 2,
    });
    const { report } = await template.ready();
    const pid = report?.pid ?? assert.fail("a zygote without a report");
    await eventually(
      async () => (await template.refresh()).warmWorkers,
      (count) => count === 2,
    );
    process.kill(pid, "SIGSTOP");
    const worker = await bus.spawn({ python: "math:sqrt", args: [9], template: "warm" });
    assert.equal(await worker.result(), 3);
    await eventually(
      async () => (await template.refresh()).warmWorkers,
      (count) => count === 2,
      { withinMs: 20_000, what: "warm workers of another zygote" },
    );
    assert.notEqual((await template.refresh()).report?.pid, pid);
  });
});
