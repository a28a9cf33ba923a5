import assert from "node:assert/strict";
import type { ProcessUid } from "../../../server/core/ids.js";
import type { CpuRequest } from "../../../server/cpus/cpu-request.js";
import type { CpuSet } from "../../../server/cpus/cpu-set.js";
import type { ProcessRecord } from "../../../server/processes/process-record.js";
import { workerOf } from "../../../server/processes/process-state.js";
import { orderOf, settled, specOf, SystemFixture } from "./fixture.js";

const SHARED: CpuRequest = { kind: "shared", count: 1 };
const EXCLUSIVE: CpuRequest = { kind: "exclusive", count: 1, layout: "compact", maxWaitMs: 0 };
const ROUND_MS = 5000;

describe("the placement of workers", () => {
  let fixture: SystemFixture;

  beforeEach(() => {
    fixture = new SystemFixture();
    fixture.connect();
  });

  afterEach(async () => {
    await fixture[Symbol.asyncDispose]();
  });

  /** Ordered, and not born yet. */
  async function order(cpus: CpuRequest): Promise<ProcessUid> {
    const before = new Set(fixture.keeper.uids("starting"));
    fixture.system.processes.create(orderOf({ spec: specOf({ cpus }) })).catch(() => undefined);
    await settled();
    const uid = fixture.keeper.uids("starting").find((one) => !before.has(one));
    if (uid === undefined) throw new Error("Nothing was ordered");
    return uid;
  }

  async function born(cpus: CpuRequest): Promise<ProcessUid> {
    const uid = await order(cpus);
    fixture.keeper.bear(uid);
    await settled();
    return uid;
  }

  function record(uid: ProcessUid): ProcessRecord {
    return fixture.system.table.byUid(uid) ?? assert.fail("it is gone");
  }

  function kernel(uid: ProcessUid): CpuSet | undefined {
    return fixture.keeper.slots.get(uid)?.worker?.cpus;
  }

  /** Somebody else moves it. */
  function moveOutside(uid: ProcessUid, cpus: CpuSet): void {
    const slot = fixture.keeper.slots.get(uid);
    assert.ok(slot?.worker);
    slot.worker = { ...slot.worker, cpus };
  }

  it("is changed in record and kernel, and read back, before an exclusive worker is ordered", async () => {
    const shared = await born(SHARED);
    const exclusive = await order(EXCLUSIVE);
    assert.deepEqual(fixture.keeper.pinned, []);
    assert.deepEqual(record(exclusive).placement, [1], "free CPUs go first");
    await born(SHARED);
    const second = await order(EXCLUSIVE);
    assert.deepEqual(fixture.keeper.pinned.length, 1);
    assert.equal(fixture.keeper.slots.get(second)?.worker, null);
    for (const uid of [shared, ...fixture.keeper.uids("alive")]) {
      assert.deepEqual(kernel(uid), record(uid).placement);
      assert.deepEqual(workerOf(record(uid).state)?.cpus, record(uid).placement);
    }
  });

  it("reaches a worker that was being started as soon as it is born", async () => {
    const slow = await order(SHARED);
    await born({ kind: "explicit", cpus: [1] });
    await born({ kind: "explicit", cpus: [2] });
    assert.deepEqual(record(slow).placement, [0]);
    const exclusive = await born(EXCLUSIVE);
    assert.deepEqual(record(exclusive).placement, [0]);
    assert.deepEqual(record(slow).placement, [1]);
    assert.deepEqual(fixture.keeper.pinned, []);
    fixture.keeper.bear(slow);
    await settled();
    assert.deepEqual(kernel(slow), [1]);
    assert.deepEqual(workerOf(record(slow).state)?.cpus, [1]);
  });

  it("reaches a worker whose keeper went away meanwhile when there is one again", async () => {
    const shared = await born(SHARED);
    const ending = await born(SHARED);
    await born(SHARED);
    await born(SHARED);
    const { keeper, system } = fixture;
    const pin = keeper.pin.bind(keeper);
    keeper.pin = (uid, cpus) => {
      keeper.losesOrders = true;
      const answer = pin(uid, cpus);
      keeper.disconnect();
      keeper.losesOrders = false;
      return answer;
    };
    keeper.end(ending, { kind: "code", code: 0 });
    await settled();
    keeper.pin = pin;
    assert.deepEqual(record(shared).placement, [1]);
    assert.deepEqual(kernel(shared), [0]);
    assert.deepEqual(system.affinityCheck.differences(), []);
    fixture.connect();
    await settled();
    assert.deepEqual(kernel(shared), [1]);
  });

  it("that somebody else changes is told once, shown, and left", async () => {
    const uid = await born(SHARED);
    moveOutside(uid, [2]);
    await fixture.clock.advance(ROUND_MS);
    await settled();
    assert.deepEqual(
      fixture.system.affinityCheck
        .differences()
        .map(({ assigned, kernel: seen }) => [assigned, seen]),
      [[[0], [2]]],
    );
    assert.deepEqual(workerOf(record(uid).state)?.cpus, [2]);
    await fixture.clock.advance(ROUND_MS);
    await settled();
    assert.deepEqual(fixture.warnings, ["worker is not on its CPUs"]);
    assert.deepEqual(kernel(uid), [2]);
    moveOutside(uid, [1]);
    await fixture.clock.advance(ROUND_MS);
    await settled();
    assert.equal(fixture.warnings.length, 2);
    moveOutside(uid, [0]);
    await fixture.clock.advance(ROUND_MS);
    await settled();
    assert.deepEqual(fixture.system.affinityCheck.differences(), []);
    assert.equal(fixture.warnings.length, 2);
  });

  it("is not looked at when nobody is pinned", async () => {
    let reads = 0;
    const read = fixture.keeper.read.bind(fixture.keeper);
    fixture.keeper.read = (workers) => {
      reads++;
      return read(workers);
    };
    const loose = await born({ kind: "none" });
    await fixture.clock.advance(ROUND_MS);
    await settled();
    assert.equal(reads, 0);
    const pinned = await born(SHARED);
    await fixture.clock.advance(ROUND_MS);
    await settled();
    assert.equal(reads, 1);
    for (const uid of [loose, pinned]) fixture.keeper.end(uid, { kind: "code", code: 0 });
    await settled();
    for (let rounds = 0; rounds < 3; rounds++) {
      await fixture.clock.advance(ROUND_MS);
      await settled();
    }
    assert.ok(reads < 3, "it goes on for nobody");
  });

  it("stays what it was in the next daemon, and so does what was not in its place", async () => {
    const uid = await born(EXCLUSIVE);
    moveOutside(uid, [2]);
    await fixture.clock.advance(ROUND_MS);
    await settled();
    const before = fixture;
    before.keeper.disconnect();
    await before[Symbol.asyncDispose]();
    fixture = new SystemFixture(undefined, before);
    fixture.connect();
    await settled();
    assert.equal(fixture.system.ledger.exclusiveHolder(0), uid);
    assert.equal(fixture.system.affinityCheck.differences().length, 1);
    assert.deepEqual(fixture.keeper.pinned, []);
  });
});
