import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { ownGroup } from "../support/cgroup-place.js";
import { build, KeeperProcess } from "./support/keeper-process.js";
import { Tag } from "./support/wire.js";

describe("the keeper in a cgroup of its own", () => {
  let group = "";
  const made: string[] = [];

  beforeEach(function () {
    const place = ownGroup();
    if (place === undefined) this.skip();
    group = join(place, `forkbus-test-${randomUUID()}`);
    for (const name of ["", "keeper", "other"]) {
      made.unshift(join(group, name));
      mkdirSync(join(group, name));
    }
  });

  afterEach(() => {
    for (const path of made.splice(0)) rmdirSync(path);
  });

  /** Where the leaves of a keeper are that is started in that group. */
  async function leavesOf(name: string): Promise<string> {
    const enter = `echo $$ >'${group}/${name}/cgroup.procs' && exec "$@"`;
    const before = ["-c", enter, "sh", build("all")];
    await using keeper = await KeeperProcess.start({ program: "/bin/sh", before });
    using client = await keeper.connect();
    const { pid, frame } = await client.spawned({ argv: ["/bin/sleep", "600"] });
    const leaf = frame.text(Tag.cgroup);
    assert.equal(readFileSync(`${leaf}/cgroup.procs`, "utf8").trim(), String(pid));
    return dirname(leaf);
  }

  it("makes its leaves beside that group when it is named keeper, else in it", async () => {
    assert.equal(await leavesOf("keeper"), join(group, "workers"));
    assert.equal(await leavesOf("other"), join(group, "other/workers"));
  });
});
