import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nativeFile } from "../../server/kernel/native-files.js";
import { limit } from "../native/support/fork-servers.js";
import { KeeperProcess } from "../native/support/keeper-process.js";
import { Tag, Type, u32, u64 } from "../native/support/wire.js";
import { DelegatedGroup } from "./support/delegated-group.js";

const limits = { "memory.max": "268435456", "pids.max": "17", "cpu.max": "50000 100000" };

describe("a worker whose next keeper has its leaves elsewhere", function () {
  this.timeout(600_000);
  const directory = mkdtempSync(join(tmpdir(), "forkbus-keeper-"));

  after(() => {
    rmSync(directory, { recursive: true });
  });

  const start = (cgroup: string): Promise<KeeperProcess> =>
    KeeperProcess.start({
      program: nativeFile("forkbus-keeper"),
      directory,
      args: ["--cgroup", cgroup],
    });

  it("keeps its limits there", async () => {
    await using group = new DelegatedGroup();
    writeFileSync(join(group.path, "cgroup.subtree_control"), "+memory +pids +cpu");
    const [former, latter] = [join(group.path, "former"), join(group.path, "latter")];
    for (const path of [former, latter]) mkdirSync(path);
    await using first = await start(former);
    using client = await first.connect();
    const { id, pid, frame } = await client.spawned({
      argv: ["/bin/sleep", "600"],
      more: Object.entries(limits).map(([file, value]) => limit(`${file}=${value}`)),
    });
    assert.equal(frame.text(Tag.cgroup), join(former, id.toString("hex")));
    first.child.kill("SIGKILL");
    await first.exit();
    await using second = await start(latter);
    using other = await second.connect();
    const adopted = await other.ask(Type.adopt, [
      [Tag.id, id],
      u32(Tag.pid, pid),
      u64(Tag.startTicks, frame.u64(Tag.startTicks)),
    ]);
    const leaf = adopted.text(Tag.cgroup);
    assert.equal(leaf, join(latter, id.toString("hex")));
    assert.equal(readFileSync(join(leaf, "cgroup.procs"), "utf8").trim(), String(pid));
    for (const [file, value] of Object.entries(limits)) {
      assert.equal(readFileSync(join(leaf, file), "utf8").trim(), value, file);
    }
  });
});
