import assert from "node:assert/strict";
import { constants } from "node:os";
import { born, failure, fork, go, startForkServer } from "./support/fork-servers.js";
import { type KeeperClient } from "./support/keeper-client.js";
import { isAlive, KeeperProcess } from "./support/keeper-process.js";
import { waitUntil } from "./support/wait-until.js";
import { Flag, Step, Tag, Type } from "./support/wire.js";

const { errno } = constants;

describe("a fork server that does not answer", function () {
  this.timeout(60_000);
  let keeper: KeeperProcess;
  let client: KeeperClient;

  beforeEach(async () => {
    keeper = await KeeperProcess.start({ args: ["--start-deadline-ms", "8000"] });
    client = await keeper.connect();
  });

  afterEach(async () => {
    client[Symbol.dispose]();
    await keeper[Symbol.asyncDispose]();
  });

  it("and does nothing is given up long before the deadline, and serves when it goes on", async () => {
    const server = await startForkServer(client);
    process.kill(server.pid, "SIGSTOP");
    const started = performance.now();
    const ids = [0, 1, 2].map(() => fork(client, server.id));
    for (const id of ids) {
      assert.deepEqual(await failure(client, id), [Step.birth, errno.ETIME]);
    }
    const tookMs = performance.now() - started;
    assert.ok(tookMs > 3500 && tookMs < 7000, `after ${tookMs} ms`);
    process.kill(server.pid, "SIGCONT");
    const { id } = await born(client, fork(client, server.id));
    await client.exited(id);
    await client.acknowledge(id);
    // What was ordered before is forked as well by now, and has found that nobody waits for it.
    await waitUntil("its late children's end", () =>
      keeper.children().every((pid) => pid === server.pid),
    );
  });

  it("leaves its children as they are: one that is stopped when it may go is ended", async () => {
    const server = await startForkServer(client);
    const id = fork(client, server.id, { flags: Flag.hold });
    const pid = (await client.notice(Type.born, id)).u32(Tag.pid);
    process.kill(pid, "SIGSTOP");
    go(client, id);
    assert.deepEqual(await failure(client, id), [Step.specification, errno.ETIME]);
    assert.equal(isAlive(pid), false);
    await born(client, fork(client, server.id));
  });

  it("because it has much to do is waited for until the deadline", async () => {
    const server = await startForkServer(client, "busy");
    const started = performance.now();
    await born(client, fork(client, server.id));
    assert.ok(performance.now() - started > 3900);
  });

  it("to one, but to others, is late and not silent", async () => {
    await using hasty = await KeeperProcess.start({ args: ["--start-deadline-ms", "2000"] });
    using own = await hasty.connect();
    const server = await startForkServer(own, "skip");
    const skipped = fork(own, server.id);
    while (own.frames.every(({ type }) => type !== Type.spawnFailed)) {
      const { id } = await born(own, fork(own, server.id));
      await own.exited(id);
      await own.acknowledge(id);
    }
    assert.deepEqual(await failure(own, skipped), [Step.birth, errno.ETIMEDOUT]);
  });
});
