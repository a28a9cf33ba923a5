import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { ownGroup } from "../support/cgroup-place.js";
import { eventually } from "../support/eventually.js";
import { ForkHost } from "./support/fork-host.js";

const groupOf = (pid: number): string =>
  basename(/^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1] ?? "");

function filesOf(pid: number): readonly string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).map((fd) => readlinkSync(join(folder, fd)));
}

describe("a leaf for what is forked from Node", () => {
  let host: ForkHost;
  let leaf = "";

  beforeEach(function () {
    const group = ownGroup();
    if (group === undefined) this.skip();
    leaf = join(group, `forkbus-test-${randomUUID()}`);
    mkdirSync(leaf);
    host = new ForkHost();
  });

  afterEach(async () => {
    if (leaf === "") return;
    await host[Symbol.asyncDispose]();
    await eventually(() => readFileSync(join(leaf, "cgroup.procs"), "utf8") === "", Boolean);
    rmdirSync(leaf);
  });

  it("is where it is born, and neither process keeps it open", async () => {
    const server = await host.zygote();
    const home = groupOf(await server.pid());
    // Nobody moves it here.
    const worker = host.fork(server, "./targets.js#given", { hold: true, leaf });
    await worker.saw("born");
    const pid = await worker.pid();
    assert.equal(groupOf(pid), basename(leaf));
    assert.equal(groupOf(await server.pid()), home);
    for (const process of [pid, await server.pid()]) {
      await eventually(
        () => filesOf(process),
        (files) => !files.includes(leaf),
      );
    }
    host.go(worker, "./targets.js#given");
    await worker.value();
  });

  it("is done without where it is none", async () => {
    const server = await host.zygote();
    const home = groupOf(await server.pid());
    const worker = host.fork(server, "./targets.js#given", { hold: true, leaf: tmpdir() });
    await worker.saw("born");
    assert.equal(groupOf(await worker.pid()), home);
    host.go(worker, "./targets.js#given");
    await worker.value();
  });
});
