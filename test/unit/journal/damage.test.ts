import assert from "node:assert/strict";
import { type KeyedStore } from "../../../server/journal/keyed-store.js";
import { FaultyStorage } from "./faulty-storage.js";
import { contents, openStore, put, remove, smallHistory, statesOf } from "./store-history.js";
import { type Contents } from "./store-history.js";

/** Files of a store that was closed in order, with several segments and a snapshot. */
async function smallLog(): Promise<{ files: Map<string, Buffer>; final: Contents }> {
  const storage = new FaultyStorage();
  const steps = smallHistory();
  {
    await using store = await openStore(storage, { compactAboveBytes: 1_000_000 });
    for (const [index, { changes }] of steps.entries()) {
      await store.batch(changes);
      if (index === 8) await store.compact();
    }
  }
  const files = storage.afterDeath();
  files.delete("reserve");
  const names = [...files.keys()];
  assert.ok(names.some((name) => name.startsWith("snapshot-")));
  assert.ok(names.filter((name) => name.startsWith("segment-")).length > 1);
  return { files, final: statesOf(steps).at(-1) ?? {} };
}

/** Each key has its true value or is named suspect; a missing or a revived one is reported. */
function assertNeverWrong(store: KeyedStore, final: Contents): void {
  const { entries, suspect, quarantined } = store.recovered;
  const found = contents(entries);
  for (const [key, text] of Object.entries(found)) {
    if (!suspect.has(key)) assert.equal(text, final[key], `${key} is wrong and not suspect`);
  }
  const lost = quarantined.some(({ bytes }) => bytes !== 0);
  if (!lost) assert.deepEqual(found, final);
}

describe("a damaged keyed store", () => {
  it("never has wrong data and says what is lost, whichever byte is flipped", async function () {
    this.timeout(60_000);
    const { files, final } = await smallLog();
    for (const [name, bytes] of files) {
      for (let offset = 0; offset < bytes.length; offset += 1) {
        const flipped = Buffer.from(bytes);
        flipped.writeUInt8(flipped.readUInt8(offset) ^ (1 << (offset % 8)), offset);
        const storage = new FaultyStorage(new Map([...files, [name, flipped]]));
        await using store = await openStore(storage);
        const { quarantined, tornBytes } = store.recovered;
        assertNeverWrong(store, final);
        assert.ok(quarantined.length > 0 || tornBytes > 0);
        if (quarantined.length > 0) assert.ok(storage.afterDeath().has(`${name}.damaged`));
      }
    }
  });

  it("keeps suspicion across restarts until the key is written again", async () => {
    const storage = new FaultyStorage();
    {
      await using store = await openStore(storage, { segmentBytes: 10_000 });
      await store.put("a", Buffer.from("one"));
      await store.put("b", Buffer.from("one"));
      await store.put("a", Buffer.from("two"));
      await store.put("c", Buffer.from("one"));
    }
    const files = storage.afterDeath();
    const segment = files.get("segment-000000000001");
    assert.ok(segment);
    const at = segment.indexOf("two");
    segment.writeUInt8(0, at);
    let next = new FaultyStorage(files);
    {
      await using store = await openStore(next);
      assert.deepEqual([...store.recovered.suspect], ["a", "b"]);
      assert.deepEqual(contents(store.entries), { a: "one", b: "one", c: "one" });
      assert.equal(store.recovered.quarantined.length, 1);
    }
    next = new FaultyStorage(next.afterDeath());
    {
      await using store = await openStore(next);
      assert.deepEqual(store.recovered.quarantined, []);
      assert.deepEqual([...store.recovered.suspect], ["a", "b"]);
      await store.batch([put("a", "three"), remove("b")]);
      assert.equal(store.recovered.suspect.size, 0);
    }
    await using store = await openStore(new FaultyStorage(next.afterDeath()));
    assert.equal(store.recovered.suspect.size, 0);
    assert.deepEqual(contents(store.entries), { a: "three", c: "one" });
  });

  it("goes back to an earlier state when the last file is cut at any offset", async function () {
    this.timeout(60_000);
    const { files } = await smallLog();
    const states = statesOf(smallHistory()).map((state) => JSON.stringify(state));
    const last = [...files.keys()]
      .filter((name) => name.startsWith("segment-"))
      .sort()
      .at(-1);
    assert.ok(last !== undefined);
    const bytes = files.get(last) ?? Buffer.alloc(0);
    for (let length = 0; length < bytes.length; length += 1) {
      const cut = new Map([...files, [last, bytes.subarray(0, length)]]);
      await using store = await openStore(new FaultyStorage(cut));
      assert.deepEqual(store.recovered.quarantined, []);
      assert.ok(states.includes(JSON.stringify(contents(store.entries))));
    }
  });

  it("reports any other file that is cut or missing", async function () {
    this.timeout(60_000);
    const { files, final } = await smallLog();
    const names = [...files.keys()].sort();
    const last = names.filter((name) => name.startsWith("segment-")).at(-1);
    for (const name of names.filter((other) => other !== last)) {
      const bytes = files.get(name) ?? Buffer.alloc(0);
      for (let length = -1; length < bytes.length; length += 1) {
        const cut = new Map(files);
        if (length < 0) cut.delete(name);
        else cut.set(name, bytes.subarray(0, length));
        await using store = await openStore(new FaultyStorage(cut));
        assertNeverWrong(store, final);
        assert.ok(store.recovered.quarantined.length > 0, `${name} cut to ${length}`);
      }
    }
  });

  it("refuses files of a newer format instead of taking them for damage", async () => {
    const { crc32 } = await import("node:zlib");
    const { files } = await smallLog();
    for (const bytes of files.values()) {
      bytes.writeUInt16LE(2, 4);
      bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60);
      bytes.copy(bytes, 64, 0, 64);
    }
    await assert.rejects(openStore(new FaultyStorage(files)), /has format 2/);
  });
});
