import assert from "node:assert/strict";
import type { FunctionTarget } from "../../../server/processes/target.js";
import { RECIPE } from "../../support/fake-fork-servers.js";
import { orderOf, settled, specOf, SystemFixture } from "./fixture.js";

const BYTES = 2 * 1024 * 1024;
const TARGET: FunctionTarget = {
  kind: "python",
  origin: { method: "forkserver", template: "python" },
  function: "app:main",
  arguments: { encoding: "raw", bytes: BYTES, digest: "" },
  resultEncoding: "json",
  modulePath: [],
  mainFile: null,
};

describe("the arguments of functions that wait for their fork server", () => {
  it("take up so much memory, and no more", async () => {
    await using fixture = new SystemFixture();
    const { keeper, forkServers, system } = fixture;
    fixture.connect();
    const order = orderOf({ spec: specOf({ target: TARGET }), arguments: new Uint8Array(BYTES) });
    const creates = Array.from({ length: 128 }, () => system.processes.create(order));
    await settled();
    await assert.rejects(system.processes.create(order), {
      code: "host-exhausted",
      facts: { resource: "arguments", errno: "" },
    });
    assert.equal(system.table.size, 128);
    forkServers.start({ kind: "spawn", recipe: RECIPE, generation: 1 });
    for (const uid of keeper.uids("starting")) keeper.bear(uid);
    await Promise.all(creates);
    const late = system.processes.create(order);
    await settled();
    forkServers.start({ kind: "spawn", recipe: RECIPE, generation: 1 });
    for (const uid of keeper.uids("starting")) keeper.bear(uid);
    assert.equal((await late).state.kind, "running");
  });
});
