import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DomainError } from "../../../server/core/errors.js";
import { KeyedStore } from "../../../server/journal/keyed-store.js";
import { FaultyStorage } from "./faulty-storage.js";
import { contents, openStore, put } from "./store-history.js";

describe("a keyed store", () => {
  it("stays small on disk through 100 000 puts and deletes", async function () {
    this.timeout(60_000);
    const storage = new FaultyStorage();
    const sizes = { segmentBytes: 16_384, compactAboveBytes: 32_768, reserveBytes: 0 };
    await using store = await openStore(storage, sizes);
    let largest = 0;
    for (let cycle = 0; cycle < 100_000; cycle += 50) {
      const calls: Promise<void>[] = [];
      for (let index = cycle; index < cycle + 50; index += 1) {
        calls.push(store.put(`k${index}`, Buffer.alloc(20)), store.delete(`k${index}`));
      }
      await Promise.all(calls);
      largest = Math.max(largest, storage.totalBytes);
    }
    assert.equal(store.entries.size, 0);
    assert.ok(largest < 4 * 32_768, `${largest} bytes`);
  });

  it("takes changes while it compacts, and loses none", async () => {
    const storage = new FaultyStorage();
    const store = await openStore(storage, { segmentBytes: 1_000_000 });
    for (let index = 0; index < 50; index += 1) {
      await store.put(`big${index}`, Buffer.alloc(20_000, index));
    }
    const state = { done: false };
    const compaction = store.compact().then(() => {
      state.done = true;
    });
    let during = 0;
    while (!state.done) {
      await store.batch([put("x", `${during}`), put("y", `${during}`)]);
      during += 1;
    }
    await compaction;
    assert.ok(during > 4, `${during} batches`);
    const files = storage.afterDeath();
    assert.ok(![...files.keys()].includes("segment-000000000001"));
    await using again = await openStore(new FaultyStorage(files));
    assert.deepEqual(contents(again.entries), contents(store.entries));
    assert.equal(again.entries.size, 52);
    await store[Symbol.asyncDispose]();
  });

  it("refuses keys that would not come back the same", async () => {
    await using store = await openStore(new FaultyStorage());
    for (const key of ["", "x".repeat(1025), "lone \ud800"]) {
      assert.throws(
        () => store.put(key, Buffer.from("v")),
        (error) => error instanceof DomainError && error.code === "invalid-field",
      );
    }
    await store.put("schön/☃", Buffer.from("v"));
    assert.deepEqual(contents(store.entries), { "schön/☃": "v" });
  });

  it("keeps its own copy of what it is given", async () => {
    await using store = await openStore(new FaultyStorage());
    const value = Buffer.from("before");
    const done = store.put("k", value);
    value.write("after!");
    await done;
    assert.deepEqual(contents(store.entries), { k: "before" });
  });

  it("works on real files, private to the user, from one process to the next", async () => {
    const directory = await mkdtemp(join(tmpdir(), "forkbus-journal-"));
    try {
      const sizes = { directory, segmentBytes: 2000, compactAboveBytes: 4000 };
      {
        await using store = await KeyedStore.open(sizes);
        const calls = Array.from({ length: 300 }, (_, index) =>
          store.put(`process/${index % 20}`, Buffer.from(`state ${index}`), {
            durable: index % 50 === 0,
          }),
        );
        await Promise.all(calls);
        await store.delete("process/0");
        await store.compact();
        await store.put("process/1", Buffer.from("last"));
        await store.sync();
      }
      await using store = await KeyedStore.open(sizes);
      assert.equal(store.entries.size, 19);
      assert.equal(contents(store.entries)["process/1"], "last");
      assert.equal(contents(store.entries)["process/19"], "state 299");
      assert.deepEqual(store.recovered.quarantined, []);
      for (const name of await readdir(directory)) {
        assert.equal((await stat(join(directory, name))).mode & 0o777, 0o600);
      }
      await store[Symbol.asyncDispose]();
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
