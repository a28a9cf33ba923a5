import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../server/kernel/package-root.js";
import { born, moments, specification } from "./support/fork-servers.js";
import { type KeeperClient, newId } from "./support/keeper-client.js";
import { KeeperProcess } from "./support/keeper-process.js";
import { Flag, Tag, Type, u32, u64 } from "./support/wire.js";

const ZYGOTE = join(packageRoot, "server/zygotes/python/main.py");
const HEAVY = ["json", "asyncio", "email", "sqlite3", "unittest", "xml"];

describe("the keeper and a Python zygote", function () {
  this.timeout(60_000);
  let keeper: KeeperProcess;
  let client: KeeperClient;
  let zygote: Buffer;

  beforeEach(async () => {
    keeper = await KeeperProcess.start();
    client = await keeper.connect();
    zygote = newId();
    client.spawn({
      id: zygote,
      argv: ["python3", ZYGOTE],
      flags: Flag.link,
      more: [specification({ ...common("zygote", zygote), preload: HEAVY, keepFds: [] })],
    });
    await born(client, zygote);
    await client.notice(Type.serving, zygote);
  });

  afterEach(async () => {
    client[Symbol.dispose]();
    await keeper[Symbol.asyncDispose]();
  });

  function common(kind: string, id: Buffer): object {
    return {
      kind,
      id: id.toString("hex"),
      name: kind,
      title: `forkbus: ${kind}`,
      env: null,
      workingDir: null,
      umask: null,
      cpus: null,
      rlimits: [],
      searchPath: [],
      preload: [],
      init: null,
      mainPath: null,
      forkLibrary: join(packageRoot, "dist/native/forkbus-fork.so"),
    };
  }

  function fork(name: string): Buffer {
    const id = newId();
    const target = { function: name, encoding: "json", resultEncoding: "json" };
    const env = { PATH: "/usr/bin:/bin", FORKBUS_PROCESS_ID: id.toString("hex") };
    client.send(Type.fork, [
      [Tag.id, id],
      [Tag.server, zygote],
      u32(Tag.flags, 0),
      u64(Tag.logMaxBytes, 0n),
      specification({ ...common("worker", id), env, target }),
    ]);
    return id;
  }

  it("make workers whose results, statuses and moments are true", async () => {
    for (let round = 0; round < 20; round++) {
      const id = fork("os:getpid");
      const { pid } = await born(client, id);
      const first = moments(await client.notice(Type.firstLine, id));
      assert.deepEqual(
        first,
        [...first].sort((one, other) => (one < other ? -1 : 1)),
      );
      const end = await client.exited(id);
      assert.deepEqual([end.u32(Tag.exitCodeKind), end.u32(Tag.exitValue)], [1, 0]);
      const result = readFileSync(join(keeper.directory, id.toString("hex"), "result"), "utf8");
      const [line = "", value] = result.split("\n");
      const parsed: unknown = JSON.parse(line);
      assert.deepEqual(parsed, { kind: "value", encoding: "json", bytes: String(pid).length });
      assert.equal(value, String(pid));
    }
  });

  it("tell of an exception by exit code, result and stderr", async () => {
    const id = fork("nowhere:f");
    await born(client, id);
    const end = await client.exited(id);
    assert.deepEqual([end.u32(Tag.exitCodeKind), end.u32(Tag.exitValue)], [1, 1]);
    const result = readFileSync(join(keeper.directory, id.toString("hex"), "result"), "utf8");
    assert.match(result, /^\{"kind": ?"exception", ?"type": ?"ModuleNotFoundError"/);
  });
});
