import assert from "node:assert/strict";
import type { ProcessUid } from "../../../server/core/ids.js";
import { ProcessTable } from "../../../server/processes/process-table.js";
import { RecordWriter } from "../../../server/processes/record-writer.js";
import { Removal } from "../../../server/processes/removal.js";
import { Retention } from "../../../server/processes/retention.js";
import { SharedWrites } from "../../../server/processes/shared-writes.js";
import { exitReport, FakeKeeper } from "../../support/fake-keeper.js";
import { FakeRecordStore } from "../../support/fake-record-store.js";
import { ManualClock } from "../../support/manual-clock.js";
import { recordOf, settled, uidOf, WORKER } from "./fixture.js";

const EVENTS = {
  connected: () => undefined,
  disconnected: () => undefined,
  spawned: () => undefined,
  spawnFailed: () => undefined,
  exited: () => undefined,
  treeGone: () => undefined,
  stdinReady: () => undefined,
  born: () => undefined,
  serving: () => undefined,
  called: () => undefined,
};

/** Counts how often somebody goes to sleep. */
class CountingClock extends ManualClock {
  sleeps = 0;

  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.sleeps++;
    return super.sleep(ms, signal);
  }
}

class Fixture {
  readonly table = new ProcessTable({ revision: 0, created: 0 });
  readonly store = new FakeRecordStore();
  readonly keeper = new FakeKeeper();
  readonly clock = new CountingClock();
  readonly shared = new SharedWrites(this.clock);
  readonly failures: unknown[] = [];
  readonly retention: Retention;
  readonly removal: Removal;

  constructor(maxRecords: number, maxAgeMs: number) {
    const { table, store, keeper, clock, shared } = this;
    const onFailure = (error: unknown): void => {
      this.failures.push(error);
    };
    this.retention = new Retention({ maxRecords, maxAgeMs });
    this.removal = new Removal({
      table,
      store,
      keeper,
      clock,
      retention: this.retention,
      writer: new RecordWriter(store, table, clock, shared, onFailure),
      shared,
      onFailure,
    });
    keeper.connect(EVENTS);
    this.removal.resume();
  }

  /** Processes that end one after the other, and are acknowledged or not. */
  end(numbers: readonly number[], isAcknowledged = true): void {
    for (const n of numbers) {
      const report = exitReport({ kind: "code", code: 0 });
      const exit = { ...report, cause: "self", requester: null, escalated: false } as const;
      const record = this.table.put(
        recordOf(
          { kind: "exited", worker: WORKER, exit, descendantsAlive: false },
          { uid: uidOf(n), name: `n-${n}` },
        ),
      );
      this.store.records.set(record.uid, record);
      this.removal.noteEnded(record);
      if (isAcknowledged) this.removal.noteAcknowledged(record.uid);
    }
  }

  /** Lets everything happen that waits for no more than other writes. */
  async settle(): Promise<void> {
    this.shared.flush();
    await settled();
  }

  get left(): readonly ProcessUid[] {
    return [...this.table.all()].map(({ uid }) => uid);
  }
}

describe("the removal of records", () => {
  it("takes away record and output, and remembers the name", async () => {
    const fixture = new Fixture(1, 1000);
    fixture.end([1, 2, 3]);
    await fixture.settle();
    assert.deepEqual(fixture.left, [uidOf(3)]);
    assert.deepEqual([...fixture.store.records.keys()], [uidOf(3)]);
    assert.deepEqual(fixture.keeper.removedOutput, [uidOf(1), uidOf(2)]);
    assert.deepEqual([...fixture.store.expired], ["n-1", "n-2"]);
    assert.equal(fixture.retention.hasExpired("n-1"), true);
  });

  it("happens when their time has come", async () => {
    const fixture = new Fixture(100, 1000);
    fixture.end([1]);
    await fixture.clock.advance(400);
    fixture.end([2]);
    await fixture.clock.advance(599);
    await fixture.settle();
    assert.equal(fixture.left.length, 2);
    await fixture.clock.advance(1);
    await fixture.settle();
    assert.deepEqual(fixture.left, [uidOf(2)]);
    await fixture.clock.advance(400);
    await fixture.settle();
    assert.deepEqual(fixture.left, []);
  });

  it("waits until the keeper has forgotten the worker, without looking all the time", async () => {
    const fixture = new Fixture(100, 1000);
    fixture.end([1], false);
    await fixture.clock.advance(500);
    fixture.end([2]);
    await fixture.clock.advance(500);
    const { sleeps } = fixture.clock;
    for (let round = 0; round < 10; round++) {
      await fixture.clock.advance(0);
      await fixture.settle();
    }
    assert.ok(fixture.clock.sleeps - sleeps <= 1, `${fixture.clock.sleeps - sleeps} alarms`);
    await fixture.clock.advance(500);
    await fixture.settle();
    assert.deepEqual(fixture.left, [uidOf(1)], "it holds up none that comes later");
    fixture.removal.noteAcknowledged(uidOf(1));
    await fixture.settle();
    assert.deepEqual(fixture.left, []);
  });

  it("stops while the keeper is away", async () => {
    const fixture = new Fixture(0, 1000);
    fixture.removal.pause();
    fixture.end([1]);
    await fixture.settle();
    assert.deepEqual(fixture.left, [uidOf(1)]);
    fixture.removal.resume();
    await fixture.settle();
    assert.deepEqual(fixture.left, []);
  });

  it("ignores an acknowledgement of what is not there", async () => {
    const fixture = new Fixture(0, 1000);
    fixture.removal.noteAcknowledged(uidOf(1));
    fixture.end([1], false);
    await fixture.settle();
    assert.deepEqual(fixture.left, [uidOf(1)]);
  });

  it("reports what fails, and tries it again at the next end", async () => {
    const fixture = new Fixture(0, 1000);
    const { store } = fixture;
    const remove = store.remove.bind(store);
    store.remove = () => Promise.reject(new Error("no disk"));
    fixture.end([1]);
    await fixture.settle();
    assert.match(String(fixture.failures), /no disk/);
    assert.deepEqual(fixture.left, [uidOf(1)]);
    store.remove = remove;
    fixture.end([2]);
    await fixture.settle();
    assert.deepEqual(fixture.left, []);
  });

  it("has a bounded number under way, and ends with them", async () => {
    const fixture = new Fixture(0, 1000);
    const { store } = fixture;
    const remove = store.remove.bind(store);
    const release: (() => void)[] = [];
    store.remove = async (...removed) => {
      await new Promise<void>((resolve) => release.push(resolve));
      await remove(...removed);
    };
    fixture.end(Array.from({ length: 100 }, (_, index) => index + 1));
    await fixture.settle();
    assert.equal(release.length, 64);
    let isOver = false;
    const disposed = fixture.removal[Symbol.asyncDispose]().then(() => {
      isOver = true;
    });
    await fixture.settle();
    assert.equal(isOver, false);
    for (const go of release) go();
    await disposed;
    await fixture.settle();
    assert.equal(release.length, 64, "none began afterwards");
    assert.equal(fixture.left.length, 36);
  });

  it("of one that is deleted keeps its end before the keeper may forget it", async () => {
    const fixture = new Fixture(100, 1000);
    fixture.end([1], false);
    const [record] = fixture.table.all();
    assert.ok(record !== undefined);
    fixture.store.records.clear();
    await fixture.removal.remove(record);
    assert.equal(fixture.store.saves, 1);
    assert.deepEqual(fixture.left, []);
    assert.equal(fixture.store.records.size, 0);
    assert.deepEqual(fixture.keeper.removedOutput, [uidOf(1)]);
    assert.equal(fixture.store.expired.size, 0);
    assert.equal(fixture.retention.hasExpired("n-1"), false);
  });

  it("of one that is deleted goes by removals alone while the disk is full", async () => {
    const fixture = new Fixture(100, 1000);
    fixture.end([1], false);
    const [record] = fixture.table.all();
    assert.ok(record !== undefined);
    fixture.store.isFull = true;
    await fixture.removal.remove(record);
    assert.deepEqual(fixture.left, []);
    assert.equal(fixture.store.records.size, 0);
    await fixture.clock.advance(1000);
    await fixture.settle();
    assert.equal(fixture.store.records.size, 0, "nothing writes it again");
  });

  it("keeps a record on a full disk whose exit the keeper cannot forget now", async () => {
    const fixture = new Fixture(100, 1000);
    fixture.end([1], false);
    const [record] = fixture.table.all();
    assert.ok(record !== undefined);
    fixture.store.isFull = true;
    fixture.keeper.disconnect();
    await assert.rejects(fixture.removal.remove(record), { code: "keeper-unreachable" });
    assert.deepEqual(fixture.left, [uidOf(1)]);
    fixture.store.isFull = false;
    await fixture.clock.advance(500);
    await fixture.settle();
    assert.deepEqual([...fixture.store.records.keys()], [uidOf(1)], "it is kept again");
  });

  it("of what never lived leaves no name behind", async () => {
    const fixture = new Fixture(100, 1000);
    fixture.end([1], false);
    const [record] = fixture.table.all();
    assert.ok(record !== undefined);
    await fixture.removal.forgetUnborn(record);
    assert.deepEqual(fixture.left, []);
    assert.equal(fixture.store.records.size, 0);
    assert.equal(fixture.store.expired.size, 0);
  });
});
