import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newId } from "./support/keeper-client.js";
import { KeeperProcess } from "./support/keeper-process.js";
import { Tag } from "./support/wire.js";

describe("the keeper of root, in a place that others could prepare", function () {
  this.timeout(30_000);
  let place = "";
  before(function () {
    if (process.getuid?.() !== 0) this.skip();
  });
  beforeEach(() => {
    place = mkdtempSync(join(tmpdir(), "forkbus-keeper-"));
  });
  afterEach(() => {
    rmSync(place, { recursive: true, force: true });
  });
  const start = (...args: string[]): Promise<KeeperProcess> =>
    KeeperProcess.start({ directory: place, args: ["--cgroup", "none", ...args] });
  const refuses = async (pattern: RegExp, ...args: string[]): Promise<void> => {
    await assert.rejects(start(...args), pattern);
  };

  it("refuses a directory or a socket's place that somebody else owns or may write to", async () => {
    const directory = join(place, "workers");
    mkdirSync(directory);
    for (const path of [directory, place]) {
      chownSync(path, 65534, 0);
      await refuses(new RegExp(`${path} must belong to root`));
      chownSync(path, 0, 54321);
      for (const mode of [0o770, 0o707, 0o1777]) {
        chmodSync(path, mode);
        await refuses(new RegExp(`${path} must belong to root`));
      }
      chmodSync(path, 0o770);
      if (path === directory) {
        await using keeper = await start("--group", "54321");
        assert.equal(statSync(keeper.socketPath).gid, 54321);
      }
      chmodSync(path, 0o750);
    }
    await using _keeper = await start();
  });

  it("follows no link in its place", async () => {
    const victim = join(place, "victim");
    mkdirSync(victim);
    symlinkSync(victim, join(place, "workers"));
    await refuses(/workers: (Not a directory|Too many levels of symbolic links)/);
    rmSync(join(place, "workers"));
    mkdirSync(join(place, "workers"));
    writeFileSync(join(victim, "file"), "precious", { mode: 0o644 });
    linkSync(join(victim, "file"), join(place, "workers/.probe"));
    symlinkSync(join(victim, "file"), join(place, "workers/keeper.lock"));
    await refuses(/keeper.lock: Too many levels/);
    rmSync(join(place, "workers/keeper.lock"));
    await using keeper = await start("--group", "54321");
    assert.equal(readFileSync(join(victim, "file"), "utf8"), "precious");
    assert.equal(statSync(join(victim, "file")).gid, 0);
    using client = await keeper.connect();
    assert.equal((await client.hello()).u32(Tag.features) & 8, 8, "the probe worked");
  });

  it("sweeps nothing that an altered lock names but its own cgroups", async () => {
    const id = newId().toString("hex");
    const directory = join(place, "workers");
    mkdirSync(directory);
    const ordinary = join(place, "forkbus-00000000");
    mkdirSync(join(ordinary, id), { recursive: true });
    const swept = [ordinary];
    const unified = /^cgroup2 (\S+) /m.exec(readFileSync("/proc/mounts", "utf8"))?.[1];
    if (unified !== undefined) {
      for (const name of [`other-${id}`, `forkbus-${id.slice(0, 8)}`]) {
        mkdirSync(join(unified, name, id), { recursive: true });
        mkdirSync(join(unified, name, "foreign"));
        swept.push(join(unified, name));
      }
    }
    try {
      for (const path of swept) {
        writeFileSync(join(directory, "keeper.lock"), `1\n${path}\n`);
        await using _keeper = await start();
        const ours = path.endsWith(`forkbus-${id.slice(0, 8)}`);
        assert.equal(existsSync(join(path, id)), !ours, path);
        if (path !== ordinary) assert.ok(existsSync(join(path, "foreign")), path);
      }
    } finally {
      for (const path of swept.slice(1)) {
        for (const name of [id, "foreign", ""]) {
          if (existsSync(join(path, name))) rmdirSync(join(path, name));
        }
      }
    }
  });
});
