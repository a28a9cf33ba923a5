import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { type KeeperClient } from "./support/keeper-client.js";
import { bitmap } from "./support/fork-servers.js";
import { KeeperProcess } from "./support/keeper-process.js";
import { waitUntil } from "./support/wait-until.js";
import { Tag, Type } from "./support/wire.js";

/** Where every thread of a process may run. */
function places(pid: number): ReadonlySet<string> {
  const tasks = readdirSync(`/proc/${pid}/task`);
  return new Set(
    tasks.map((task) => {
      const status = readFileSync(`/proc/${pid}/task/${task}/status`, "utf8");
      return /Cpus_allowed_list:\s*(\S+)/.exec(status)?.[1] ?? "";
    }),
  );
}

describe("a worker that is moved to other CPUs", function () {
  this.timeout(30_000);
  let keeper: KeeperProcess;
  let client: KeeperClient;
  let hasLeaves = false;

  beforeEach(async () => {
    keeper = await KeeperProcess.start();
    client = await keeper.connect();
    hasLeaves = keeper.stderr.includes("cgroups /");
  });

  afterEach(async () => {
    client[Symbol.dispose]();
    await keeper[Symbol.asyncDispose]();
  });

  /** A worker on CPU 0, and what it has started, of which one has left its session. */
  async function family(): Promise<{ readonly id: Buffer; readonly pids: readonly number[] }> {
    const script = "sleep 600 & echo $!; setsid sleep 600 & echo $!; echo $$; wait";
    const { id } = await client.spawned({ argv: ["/bin/sh", "-c", script], more: [bitmap(0)] });
    const lines = await waitUntil("their numbers", () => {
      const seen = keeper.log(id).trim().split("\n");
      return seen.length === 3 ? seen : undefined;
    });
    const pids = lines.map(Number);
    for (const pid of pids) assert.deepEqual(places(pid), new Set(["0"]));
    return { id, pids };
  }

  it("takes with it all that it has started, where it has a leaf", async function () {
    if (!hasLeaves) this.skip();
    const { id, pids } = await family();
    const stranger = await client.spawned({ argv: ["/bin/sleep", "600"], more: [bitmap(0)] });
    await client.ask(Type.pin, [[Tag.id, id], bitmap(1)]);
    for (const pid of pids) assert.deepEqual(places(pid), new Set(["1"]));
    assert.deepEqual(places(stranger.pid), new Set(["0"]));
  });

  it("goes alone where it has none", async () => {
    await using plain = await KeeperProcess.start({ args: ["--cgroup", "none"] });
    using own = await plain.connect();
    const { id, pid } = await own.spawned({ argv: ["/bin/sleep", "600"], more: [bitmap(0)] });
    await own.ask(Type.pin, [[Tag.id, id], bitmap(1)]);
    assert.deepEqual(places(pid), new Set(["1"]));
  });
});
