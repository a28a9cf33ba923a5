import assert from "node:assert/strict";
import { ProcessTable } from "../../../server/processes/process-table.js";
import { RecordWriter } from "../../../server/processes/record-writer.js";
import { SHARED_WITHIN_MS, SharedWrites } from "../../../server/processes/shared-writes.js";
import { FakeRecordStore } from "../../support/fake-record-store.js";
import { ManualClock } from "../../support/manual-clock.js";
import { recordOf, settled, uidOf, WORKER } from "./fixture.js";

const ONE = uidOf(1);
const TWO = uidOf(2);

describe("the writer of records", () => {
  let clock: ManualClock;
  let table: ProcessTable;
  let store: FakeRecordStore;
  let writer: RecordWriter;

  beforeEach(() => {
    clock = new ManualClock();
    table = new ProcessTable({ revision: 0, created: 0 });
    store = new FakeRecordStore();
    writer = new RecordWriter(store, table, clock, new SharedWrites(clock), () => undefined);
    for (const uid of [ONE, TWO]) put(uid);
  });

  function put(uid: typeof ONE): void {
    const state = { kind: "running", worker: WORKER, signal: null } as const;
    table.put(recordOf(state, { uid, name: `n-${uid}` }));
  }

  it("writes at once what cannot wait, and with it what can", async () => {
    const soon = writer.keepSoon(ONE);
    await settled();
    assert.equal(store.saves, 0);
    await Promise.all([writer.keep(TWO), soon]);
    assert.deepEqual([...store.records.keys()], [ONE, TWO]);
  });

  it("writes at once also where the same record was to be written soon", async () => {
    const soon = writer.keepSoon(ONE);
    await Promise.all([writer.keep(ONE), soon]);
    assert.equal(store.saves, 1);
  });

  it("writes the newest version once, however often it changed", async () => {
    const kept = [writer.keepSoon(ONE)];
    for (let n = 0; n < 5; n++) {
      put(ONE);
      kept.push(writer.keepSoon(ONE));
    }
    await clock.advance(SHARED_WITHIN_MS);
    await Promise.all(kept);
    assert.equal(store.saves, 1);
    assert.equal(store.records.get(ONE)?.revision, table.byUid(ONE)?.revision);
  });

  it("writes a change that comes while an earlier one is being written", async () => {
    const first = writer.keep(ONE);
    await Promise.resolve();
    put(ONE);
    await Promise.all([first, writer.keep(ONE)]);
    assert.equal(store.records.get(ONE)?.revision, table.byUid(ONE)?.revision);
  });

  it("tries again what could not be written, until it is", async () => {
    store.isFull = true;
    const kept = writer.keep(ONE);
    await settled();
    assert.equal(writer.isBehind, true);
    store.isFull = false;
    await clock.advance(500);
    await clock.advance(SHARED_WITHIN_MS);
    await kept;
    assert.equal(writer.isBehind, false);
    assert.equal(store.records.has(ONE), true);
  });

  it("gives up at the end what cannot be written then", async () => {
    store.isFull = true;
    const kept = writer.keep(ONE);
    await settled();
    await writer[Symbol.asyncDispose]();
    await assert.rejects(kept, /stops/);
  });
});
