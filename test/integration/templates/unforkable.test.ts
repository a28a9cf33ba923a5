import assert from "node:assert/strict";
import { CheckOutcome } from "../../../proto/gen/forkbus/v1/admin.js";
import {
  type Client,
  connect,
  type NodeTarget,
  type Template,
} from "../../../client/typescript/index.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { childrenOf, isAlive } from "../daemon/support/proc-fs.js";
import { FunctionFiles } from "./support/function-files.js";

/** What a Node is like for which there is no addon, and one whose forks do not work. */
const FILES = {
  "unknown.cjs":
    "Object.defineProperty(process, 'versions', { value: { ...process.versions, modules: '1' } })",
  "broken.cjs": "globalThis.fetch = async () => { throw new Error('no fetch') }",
  "state.mjs": `
    import { readFileSync } from "node:fs";
    let state = 0;
    export const set = (value) => { state = value; };
    export const get = (value) => [state, value];
    export const itself = (value = 0) => ({
      given: [state, value],
      cwd: process.cwd(),
      umask: process.umask(),
      own: process.env.OWN ?? "",
      marks: [process.env.FORKBUS_PROCESS_ID, process.env.FORKBUS_PROCESS],
      cpus: /^Cpus_allowed_list:\\s*(.*)$/m.exec(readFileSync("/proc/thread-self/status", "utf8"))[1],
      title: process.title,
    });
  `,
};

describe("a template whose Node cannot be forked", function () {
  this.timeout(60_000);
  let daemon: DaemonHarness;
  let bus: Client;
  let files: FunctionFiles;

  before(async () => {
    files = await FunctionFiles.write(FILES);
    daemon = await DaemonHarness.start();
    bus = await connect(daemon.address);
  });

  after(async () => {
    bus.close();
    await daemon[Symbol.asyncDispose]();
    await files[Symbol.asyncDispose]();
  });

  for (const [name, why] of [
    ["unknown", /^Node \d.* cannot be forked: There is no forkbus-zygote-1\.node /],
    ["broken", /^a forked process ended with code 1 in the self-test$/],
  ] as const) {
    it(`is ready, spawns what is asked of it, and says so everywhere: ${name}`, async () => {
      const template = await bus.templates.create({
        name,
        runtime: "node",
        preload: [files.file(`${name}.cjs`)],
        init: { function: `${files.file("state.mjs")}#set`, args: [7] },
        warmWorkers: 1,
      });
      await template.ready();
      assert.match(template.spawnFallback ?? "", why);
      const target = { node: `${files.file("state.mjs")}#get`, template: name };
      const workers = await Promise.all(
        [1, 2].map((each) => bus.spawn({ ...target, args: [each] })),
      );
      for (const [index, worker] of workers.entries()) {
        assert.deepEqual(await worker.result(), [7, index + 1], "it has what init has made");
        assert.equal(worker.startMethod, "spawn");
      }
      const { checks } = await daemon.admin.diagnose({});
      const check = checks.find((each) => each.name === `fork.${name}`);
      assert.equal(check?.outcome, CheckOutcome.WARNING);
      assert.match(check.message, why);
      assert.match(daemon.log, new RegExp(`template cannot be forked here.*"template":"${name}"`));
    });
  }

  const itself = (): NodeTarget => ({
    node: `${files.file("state.mjs")}#itself`,
    template: "unknown",
  });

  /** As many wait as are to. */
  async function full(): Promise<Template> {
    const template = await bus.templates.get("unknown");
    await eventually(
      async () => (await template.refresh()).warmWorkers,
      (count) => count === 1,
    );
    return template;
  }

  it("has one that was started in advance become what a create says", async () => {
    await full();
    const worker = await bus.spawn({
      ...itself(),
      name: "itself",
      args: [2],
      cwd: "/usr",
      umask: 0o027,
      env: { OWN: "variable" },
      cpus: [0],
    });
    assert.deepEqual(await worker.result(), {
      given: [7, 2],
      cwd: "/usr",
      umask: 0o027,
      own: "variable",
      marks: [worker.uid.replaceAll("-", ""), "itself"],
      cpus: "0",
      title: "forkbus: itself",
    });
    assert.deepEqual([worker.startMethod, worker.warm], ["spawn", true]);
    assert.deepEqual([worker.startTimings?.forkMs, worker.exitCode], [0, 0]);
  });

  it("starts another where what it was started with is not what a create wants", async () => {
    const template = await full();
    const others = [
      { stdout: "null" },
      { mergeStderr: true },
      { rlimits: { RLIMIT_NOFILE: { soft: 99, hard: 99 } } },
    ] as const;
    for (const other of others) {
      const fresh = await bus.spawn({ ...itself(), ...other });
      assert.ok((await fresh.result()) !== undefined);
      assert.deepEqual([fresh.startMethod, fresh.warm], ["spawn", false]);
    }
    assert.equal((await template.refresh()).warmWorkers, 1);
  });

  it("does without those that have died, and has others", async () => {
    await full();
    const before = childrenOf(daemon.keeperPid ?? 0);
    for (const pid of before) process.kill(pid, "SIGKILL");
    const worker = await bus.spawn(itself());
    assert.ok((await worker.result()) !== undefined);
    await full();
    assert.ok(childrenOf(daemon.keeperPid ?? 0).every((pid) => !before.includes(pid)));
  });

  it("ends those of a daemon that was killed, takes none for a lost process, and has others", async () => {
    await full();
    const before = childrenOf(daemon.keeperPid ?? 0);
    bus.close();
    await daemon.crash();
    bus = await connect(daemon.address);
    await full();
    for (const pid of before) {
      await eventually(
        () => isAlive(pid),
        (alive) => !alive,
      );
    }
    for await (const { latest } of bus.list())
      assert.equal(latest.labels["forkbus/recovered"], undefined);
  });
});
