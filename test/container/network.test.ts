import assert from "node:assert/strict";
import { ContainerPair } from "./support/container-pair.js";
import { setUp } from "./support/set-up.js";
import { silence } from "./support/silence.js";

/** Of a connection that has died in silence: until a ping is missed, and a new one is made. */
const NOTICED_MS = 45_000;

function range(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, n) => String(from + n));
}

describe("a client and a daemon in two containers", () => {
  before(async () => {
    await setUp();
    void silence();
  });

  it("pass items over the network between them, encrypted, and end together", async () => {
    await using pair = await ContainerPair.start();
    await pair.put(range(0, 100));
    await pair.daemon.run("forkbus", "queue", "shutdown", "jobs");
    await pair.client.printed("drained", 10_000);
    assert.deepEqual(pair.client.items, range(0, 100));
  });

  it("go on where they were when the network is back, and lose nothing", async () => {
    await using pair = await ContainerPair.start();
    await pair.put(range(0, 50));
    await pair.client.printed("item 49", 10_000);
    await pair.network.cut(pair.daemon.container);
    await pair.put(range(50, 150));
    assert.equal(pair.client.items.length, 50);
    await pair.network.mend(pair.daemon.container);
    await pair.put(range(150, 200));
    await pair.daemon.run("forkbus", "queue", "shutdown", "jobs");
    await pair.client.printed("drained", NOTICED_MS);
    assert.deepEqual(pair.client.items, range(0, 200));
  });
});
