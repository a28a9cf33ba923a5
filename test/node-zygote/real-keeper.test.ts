import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { born, moments, specification } from "../native/support/fork-servers.js";
import { type KeeperClient } from "../native/support/keeper-client.js";
import { KeeperProcess } from "../native/support/keeper-process.js";
import { Flag, Tag, Type, u32, u64 } from "../native/support/wire.js";
import { nodeUnderTest } from "../support/node-zygote-suite.js";
import { fixtures, main } from "./support/fork-host.js";

const common = {
  name: "test",
  env: null,
  workingDir: null,
  umask: null,
  cpus: null,
  rlimits: [],
  searchPath: [fixtures],
  init: null,
};

describe("Node's fork servers under the keeper itself", () => {
  let keeper: KeeperProcess;
  let client: KeeperClient;

  beforeEach(async () => {
    keeper = await KeeperProcess.start();
    client = await keeper.connect();
  });

  afterEach(async () => {
    client[Symbol.dispose]();
    await keeper[Symbol.asyncDispose]();
  });

  /** A zygote or a worker that is executed, and serves. */
  async function server(content: object): Promise<Buffer> {
    const id = randomBytes(16);
    const whole = { ...common, id: id.toString("hex"), title: "forkbus: server", ...content };
    client.spawn({
      id,
      argv: [nodeUnderTest, "--v8-pool-size=2", main],
      flags: Flag.link,
      more: [specification(whole)],
    });
    await born(client, id);
    await client.notice(Type.serving, id, 30_000);
    return id;
  }

  function forkWorker(from: Buffer, target: string): Buffer {
    const id = randomBytes(16);
    const call = { function: target, encoding: "json", resultEncoding: "json" };
    const content = { kind: "worker", preload: [], target: call, title: "forkbus: worker" };
    const env = { PATH: "/bin", FORKBUS_PROCESS_ID: id.toString("hex") };
    client.send(Type.fork, [
      [Tag.id, id],
      [Tag.server, from],
      u32(Tag.flags, 0),
      u64(Tag.logMaxBytes, 0n),
      specification({ ...common, ...content, id: id.toString("hex"), env }),
    ]);
    return id;
  }

  /** What its target returned. */
  async function value(id: Buffer): Promise<unknown> {
    const exited = await client.exited(id, 30_000);
    assert.deepEqual([exited.u32(Tag.exitCodeKind), exited.u32(Tag.exitValue)], [1, 0]);
    const path = join(keeper.directory, id.toString("hex"), "result");
    const [line = "", data = ""] = readFileSync(path, "utf8").split("\n");
    assert.match(line, /"kind":"value"/);
    return JSON.parse(data);
  }

  it("make workers whose every moment is known", async () => {
    const zygote = await server({ kind: "zygote", preload: ["./targets.js"], keepFds: [] });
    const ids = Array.from({ length: 20 }, () => forkWorker(zygote, "./targets.js#stateNow"));
    for (const id of ids) {
      const { pid } = await born(client, id);
      assert.deepEqual(await value(id), { state: "fresh", pid, id: id.toString("hex") });
      const all = moments(await client.notice(Type.firstLine, id));
      assert.equal(all.length, 6);
      const sorted = [...all].sort((one, other) => (one < other ? -1 : 1));
      assert.deepEqual(all, sorted);
      assert.ok((all[0] ?? 0n) > 0n);
    }
  });

  it("may be live workers, until they are released", async () => {
    const call = {
      function: "./targets.js#becomesServer",
      encoding: "json",
      resultEncoding: "json",
    };
    const worker = await server({ kind: "worker", preload: [], target: call });
    const child = forkWorker(worker, "./targets.js#stateNow");
    const { pid } = await born(client, child);
    assert.deepEqual(await value(child), { state: "warm", pid, id: child.toString("hex") });
    await client.ask(Type.unserve, [[Tag.id, worker]]);
    assert.equal(await value(worker), "released, warm");
  });
});
