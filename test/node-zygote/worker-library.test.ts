import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { join } from "node:path";
import { packageRoot } from "../../server/kernel/package-root.js";
import { FakeDaemon } from "../support/fake-daemon.js";
import { eventually } from "../support/eventually.js";
import { ForkHost } from "./support/fork-host.js";

const client = pathToFileURL(join(packageRoot, "dist/client/typescript/index.js")).href;

const source = `
  import { worker } from ${JSON.stringify(client)};
  let state = "cold";
  export const self = () => [worker.isWorker, worker.id, worker.name, worker.arguments, worker.address];
  async function start(name) {
    const bus = await worker.client();
    await bus.spawn({ argv: ["true"], name });
    return bus.address;
  }
  export const reach = (name) => start(name);
  export async function serve(name) {
    state = "warm";
    await start(name + "/before");
    await worker.serveForks();
    await start(name + "/after");
    return state;
  }
  export async function child(name) {
    await start(name);
    return state;
  }
`;

describe("the library in a worker of Node's", function () {
  this.timeout(60_000);
  let host: ForkHost;
  let daemon: FakeDaemon;

  beforeEach(async () => {
    host = new ForkHost();
    daemon = await FakeDaemon.start();
  });

  afterEach(async () => {
    await host[Symbol.asyncDispose]();
    await daemon[Symbol.asyncDispose]();
  });

  const env = () => ({ ...process.env, FORKBUS_ADDRESS: daemon.address });

  it("is preloaded in a zygote, which can be forked, and knows each worker", async () => {
    const module = host.module("library.mjs", source);
    const zygote = await host.zygote({ preload: [module] });
    for (const given of [[1, "a"], { b: 2 }]) {
      const worker = host.fork(zygote, `${module}#self`, { given, env: env() });
      const expected = Array.isArray(given) ? given : [given];
      assert.deepEqual(await worker.value(), [true, worker.id, "test", expected, daemon.address]);
    }
  });

  it("reaches the daemon from forked and executed workers, which end all the same", async () => {
    const module = host.module("library.mjs", source);
    const zygote = await host.zygote({ preload: [module] });
    const forked = host.fork(zygote, `${module}#reach`, { given: ["forked"], env: env() });
    const executed = host.worker(`${module}#reach`, { given: ["executed"], env: env() });
    assert.equal(await forked.value(), daemon.address);
    assert.equal(await executed.value(), daemon.address);
    assert.deepEqual([...daemon.processes.workers.keys()].sort(), ["executed", "forked"]);
  });

  it("lets go of its connection to serve forks; children and the released worker open their own", async () => {
    const module = host.module("library.mjs", source);
    const server = host.worker(`${module}#serve`, { given: ["server"], env: env() });
    await server.saw("R");
    for (const name of ["one", "two"]) {
      const child = host.fork(server, `${module}#child`, { given: [name], env: env() });
      assert.equal(await child.value(), "warm");
    }
    host.release(server);
    assert.equal(await server.value(), "warm");
    await eventually(
      () => [...daemon.processes.workers.keys()].sort().join(),
      (names) => names === "one,server/after,server/before,two",
    );
  });
});
