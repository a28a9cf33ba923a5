import assert from "node:assert/strict";
import { SHARED_WITHIN_MS } from "../../../server/processes/shared-writes.js";
import { orderOf, settled, SystemFixture } from "./fixture.js";

describe("what is kept of a process", () => {
  it("is at once who was born, of whom nobody knows if the keeper dies too", async () => {
    await using fixture = new SystemFixture();
    fixture.connect();
    const created = fixture.system.processes.create(orderOf());
    await settled();
    const [uid] = fixture.keeper.uids("starting");
    assert.ok(uid !== undefined);
    assert.equal(fixture.store.records.get(uid)?.state.kind, "starting", "the intent");
    fixture.keeper.bear(uid);
    await created;
    await settled();
    assert.equal(fixture.store.records.get(uid)?.state.kind, "running");
  });

  it("is its end in a moment, and the keeper has it until then", async () => {
    await using fixture = new SystemFixture();
    fixture.connect();
    const created = fixture.system.processes.create(orderOf());
    await settled();
    const [uid] = fixture.keeper.uids("starting");
    assert.ok(uid !== undefined);
    fixture.keeper.bear(uid);
    await created;
    await settled();
    fixture.keeper.end(uid, { kind: "code", code: 3 });
    await settled();
    assert.equal(fixture.system.table.byUid(uid)?.state.kind, "exited");
    assert.equal(fixture.store.records.get(uid)?.state.kind, "running");
    assert.deepEqual(fixture.keeper.acknowledged, []);
    await fixture.clock.advance(SHARED_WITHIN_MS);
    await settled();
    assert.equal(fixture.store.records.get(uid)?.state.kind, "exited");
    assert.deepEqual(fixture.keeper.acknowledged, [uid]);
  });

  it("is told with a revision above whatever an earlier daemon told of it", async () => {
    await using earlier = new SystemFixture();
    earlier.connect();
    const created = earlier.system.processes.create(orderOf());
    await settled();
    const [uid] = earlier.keeper.uids("starting");
    assert.ok(uid !== undefined);
    earlier.keeper.bear(uid);
    await created;
    await settled();
    earlier.keeper.end(uid, { kind: "code", code: 3 });
    const told = earlier.system.table.byUid(uid)?.revision ?? 0;
    assert.ok(told > earlier.store.counters.revision, "told, and not kept");
    earlier.keeper.disconnect();
    await using fixture = new SystemFixture(undefined, earlier);
    fixture.connect();
    const record = fixture.system.table.byUid(uid);
    assert.equal(record?.state.kind, "exited");
    assert.ok(record.revision > told, `${record.revision} after ${told}`);
  });
});
