import assert from "node:assert/strict";
import { DomainError } from "../../../server/core/errors.js";
import { NotDurableError } from "../../../server/journal/journal-errors.js";
import { type Call, FaultyStorage } from "./faulty-storage.js";
import { applied, contents, openStore, run, smallHistory } from "./store-history.js";
import { type Contents } from "./store-history.js";

/** Runs the small history under faults; the state is the one that the resolved calls make. */
async function assertConsistent(storage: FaultyStorage): Promise<void> {
  let expected: Contents = {};
  const store = await openStore(storage);
  for (const { changes, durable } of smallHistory()) {
    try {
      await store.batch(changes, { durable });
      expected = applied(expected, changes);
    } catch (error) {
      // Kept but not durable is applied; anything else is not.
      if (error instanceof NotDurableError) expected = applied(expected, changes);
      else assert.ok(error instanceof Error);
    }
    assert.deepEqual(contents(store.entries), expected);
  }
  storage.plan = () => undefined;
  await store.put("later", Buffer.from("succeeds"));
  expected = { ...expected, later: "succeeds" };
  expected = Object.fromEntries(Object.entries(expected).sort(([a], [b]) => (a < b ? -1 : 1)));
  await store[Symbol.asyncDispose]().catch((error: unknown) => {
    assert.ok(error instanceof NotDurableError);
  });
  await using again = await openStore(new FaultyStorage(storage.afterDeath()));
  assert.deepEqual(again.recovered.quarantined, []);
  assert.deepEqual(contents(again.entries), expected);
}

async function callsOfHistory(): Promise<readonly Call[]> {
  const storage = new FaultyStorage();
  await run(storage, smallHistory());
  return storage.calls;
}

describe("a keyed store on a failing disk", () => {
  for (const code of ["ENOSPC", "EIO"]) {
    it(`is consistent and goes on after ${code} in any one call`, async function () {
      this.timeout(60_000);
      for (const { index, sizeBytes } of await callsOfHistory()) {
        for (const written of new Set([0, sizeBytes >> 1, sizeBytes])) {
          const storage = new FaultyStorage();
          storage.plan = (call) =>
            call.index === index ? { kind: "fail", code, written } : undefined;
          await assertConsistent(storage);
        }
      }
    });

    it(`is consistent when ${code} lasts for any number of calls`, async function () {
      this.timeout(60_000);
      const calls = await callsOfHistory();
      for (const { index } of calls) {
        for (const length of [2, 3, 5, 9]) {
          const storage = new FaultyStorage();
          storage.plan = (call) =>
            call.index >= index && call.index < index + length
              ? { kind: "fail", code, written: call.sizeBytes >> 1 }
              : undefined;
          await assertConsistent(storage);
        }
      }
    });
  }

  it("rejects with disk-full, lets deletions use the reserve and makes it again later", async () => {
    const storage = new FaultyStorage();
    const room = 20_000;
    storage.plan = ({ operation, sizeBytes }) =>
      operation === "write" && storage.totalBytes + sizeBytes > room
        ? { kind: "fail", code: "ENOSPC" }
        : undefined;
    const roomy = { segmentBytes: 100_000, compactAboveBytes: 100_000, reserveBytes: 5000 };
    await using store = await openStore(storage, roomy);
    let kept = 0;
    await assert.rejects(
      async () => {
        for (; kept < 1000; kept += 1) await store.put(`k${kept}`, Buffer.alloc(100));
      },
      (error) => error instanceof DomainError && error.code === "disk-full",
    );
    assert.ok(kept > 100);
    for (let index = 0; index < kept; index += 1) await store.delete(`k${index}`);
    await store.compact();
    await store.put("again", Buffer.alloc(100));
    assert.deepEqual([...store.entries.keys()], ["again"]);
    assert.ok(storage.afterDeath().has("reserve"));
  });

  it("leaves no rejected change behind a shorter one, though the whole group had reached the file", async () => {
    const storage = new FaultyStorage();
    await using store = await openStore(storage, { segmentBytes: 10_000, reserveBytes: 0 });
    await store.put("a", Buffer.from("1"));
    const failing = storage.calls.length;
    storage.plan = ({ index, sizeBytes }) =>
      index === failing ? { kind: "fail", code: "EIO", written: sizeBytes } : undefined;
    const group = [store.put("b", Buffer.from("2")), store.put("c", Buffer.from("3"))];
    const results = await Promise.allSettled(group);
    assert.deepEqual(new Set(results.map(({ status }) => status)), new Set(["rejected"]));
    await store.put("d", Buffer.from("4"));
    await using again = await openStore(new FaultyStorage(storage.afterDeath()));
    assert.deepEqual(contents(again.entries), { a: "1", d: "4" });
  });

  it("never pretends that a failed sync was mended until a snapshot replaced the segment", async () => {
    const storage = new FaultyStorage();
    let broken = true;
    storage.plan = ({ operation }) =>
      operation === "sync" && broken ? { kind: "fail", code: "EIO" } : undefined;
    await using store = await openStore(storage, { reserveBytes: 0 });
    await assert.rejects(store.put("a", Buffer.from("1"), { durable: true }), NotDurableError);
    assert.deepEqual(contents(store.entries), { a: "1" });
    // The compaction that the failure started must have failed too before the disk is mended.
    await store.compact();
    broken = false;
    await assert.rejects(store.sync(), NotDurableError);
    await store.put("b", Buffer.from("2"), { durable: true });
    await store.compact();
    await store.sync();
    const files = storage.afterPowerLoss(() => 0);
    await using again = await openStore(new FaultyStorage(files));
    assert.deepEqual(contents(again.entries), { a: "1", b: "2" });
  });
});
