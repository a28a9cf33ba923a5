import assert from "node:assert/strict";
import { eventually } from "../support/eventually.js";
import { ForkHost, type Hosted } from "./support/fork-host.js";

const SIGTERM = 15;

describe("a live worker of Node's", () => {
  let host: ForkHost;

  beforeEach(() => {
    host = new ForkHost();
  });

  afterEach(() => host[Symbol.asyncDispose]());

  async function servesAndIsReleased(server: Hosted): Promise<void> {
    await server.saw("R");
    const children = [0, 1, 2].map(() => host.fork(server, "./targets.js#stateNow"));
    for (const child of children) {
      const { isOurs, leadsSession, showsId } = await child.saw("born");
      assert.deepEqual([isOurs, leadsSession, showsId], [true, true, true]);
      assert.deepEqual(await child.value(), {
        state: "warm",
        pid: await child.pid(),
        id: child.id,
      });
      assert.equal(child.stdout(), "");
    }
    const working = host.fork(server, "./checks/processes.js#workerThread");
    assert.equal(await working.code(), 0, working.stderr());
    host.release(server);
    await server.saw("N");
    assert.equal(await server.value(), "released, warm");
    assert.equal(server.stdout(), "about to serve\n");
  }

  it("serves forks of itself, with its state, until it is released", async () => {
    const zygote = await host.zygote();
    await servesAndIsReleased(host.fork(zygote, "./targets.js#becomesServer"));
  });

  it("does so as well when it was executed, and not forked", async () => {
    await servesAndIsReleased(host.worker("./targets.js#becomesServer"));
  });

  it("forks a worker that serves forks itself", async () => {
    const server = host.worker("./targets.js#becomesServer");
    await server.saw("R");
    const second = host.fork(server, "./targets.js#becomesServer");
    await second.saw("R");
    assert.deepEqual(await host.fork(second, "./checks/network.js#httpAndFetch").code(), 0);
    await servesAndIsReleased(second);
    host.release(server);
    assert.equal(await server.value(), "released, warm");
  });

  it("goes on when the keeper has gone", async () => {
    const server = host.worker("./targets.js#becomesServer");
    await server.saw("R");
    host.hangUp(server);
    assert.equal(await server.value(), "released, warm");
  });

  it("ends by SIGTERM while it serves, and its handler is back afterwards", async () => {
    const target = host.module(
      "handled.mjs",
      `process.on("SIGTERM", () => process.exit(9));
       export default async () => {
         await globalThis[Symbol.for("forkbus.worker")].serveForks();
         console.log("released");
         await new Promise((resolve) => setTimeout(resolve, 60_000));
       };`,
    );
    const [first, second] = [host.worker(target), host.worker(target)];
    await Promise.all([first.saw("R"), second.saw("R")]);
    host.kill(first, SIGTERM);
    assert.equal(await first.code(), -SIGTERM);
    host.release(second);
    await eventually(
      () => second.stdout(),
      (text) => text !== "",
    );
    host.kill(second, SIGTERM);
    assert.equal(await second.code(), 9);
  });

  it("cannot serve with something open in its event loop", async () => {
    const server = host.worker("./targets.js#servesWithTimer");
    assert.equal(await server.code(), 1);
    assert.match(
      String(server.result()?.["message"]),
      /^This process cannot serve forks: open in the event loop: Timeout$/,
    );
    assert.ok(!server.events.some(({ type }) => type === "R"));
  });

  it("cannot serve with a socket, even one that keeps nothing alive", async () => {
    const target = host.module(
      "socket.mjs",
      `import { createServer } from "node:net";
       export default async () => {
         const server = createServer().listen(0, "127.0.0.1").unref();
         await new Promise((resolve) => setTimeout(resolve, 20));
         await globalThis[Symbol.for("forkbus.worker")].serveForks();
         server.close();
       };`,
    );
    const server = host.worker(target);
    assert.equal(await server.code(), 1);
    assert.match(
      String(server.result()?.["message"]),
      /^This process cannot serve forks: open files: socket:\[\d+\]$/,
    );
  });

  it("cannot serve with threads of its own, forked or executed", async () => {
    const target = host.module(
      "threaded.mjs",
      `import { Worker } from "node:worker_threads";
       export default async () => {
         new Worker("setInterval(() => {}, 1e6)", { eval: true }).unref();
         await new Promise((resolve) => setTimeout(resolve, 300));
         await globalThis[Symbol.for("forkbus.worker")].serveForks();
       };`,
    );
    const zygote = await host.zygote();
    for (const server of [host.worker(target), host.fork(zygote, target)]) {
      assert.equal(await server.code(), 1);
      assert.match(
        String(server.result()?.["message"]),
        /^This process cannot serve forks: threads: /,
      );
    }
  });
});
