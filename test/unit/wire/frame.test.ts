import assert from "node:assert/strict";
import fc from "fast-check";
import { Frame } from "../../../proto/gen/forkbus/v1/frame.js";
import { PutRequest } from "../../../proto/gen/forkbus/v1/queue.js";
import { readFrame, type WireFrame } from "../../../wire/frame.js";
import { Items } from "../../../wire/items.js";
import { frameCodec } from "../../../wire/message.js";
import { MalformedMessage } from "../../../wire/wire-reader.js";
import { chunk, hex, join, meaningOf, pieces, type PlainFrame, tag, varint } from "./encodings.js";

const putCodec = frameCodec(PutRequest);

/** A number as the reader of frames gives it: exact, or above all that are. */
function same(seen: number, expected: bigint, what: string): void {
  if (expected <= Number.MAX_SAFE_INTEGER) assert.equal(BigInt(seen), expected, what);
  else assert.ok(seen > Number.MAX_SAFE_INTEGER, what);
}

function sameFrame(seen: WireFrame, expected: PlainFrame): void {
  same(seen.firstSeq, expected.firstSeq, "first_seq");
  assert.equal(seen.count, expected.count, "count");
  assert.equal(seen.part === undefined, expected.part === undefined, "part");
  same(seen.part?.offset ?? 0, expected.part?.offset ?? 0n, "offset");
  same(seen.part?.itemBytes ?? 0, expected.part?.itemBytes ?? 0n, "item_bytes");
  assert.deepEqual([...seen.items].map(hex), expected.items, "items");
  assert.deepEqual(seen.items.toArray().map(hex), expected.items, "items at once");
  assert.equal(seen.items.count, expected.items.length);
  const bytes = expected.items.reduce((sum, item) => sum + item.length / 2, 0);
  assert.equal(seen.items.bytes, bytes);
  const usual = Items.of(expected.items.map((item) => Buffer.from(item, "hex")));
  assert.deepEqual(hex(seen.items.encoded), hex(usual.encoded), "items in the usual form");
}

function plain({ firstSeq, count, part, items }: Frame): PlainFrame {
  return { firstSeq, count, part, items: items.map(hex) };
}

/** Undefined when the bytes are no message. */
function tryOracle(bytes: Uint8Array): Frame | undefined {
  try {
    return Frame.decode(bytes);
  } catch {
    return undefined;
  }
}

function tryRead(bytes: Uint8Array): WireFrame | undefined {
  try {
    return readFrame(bytes);
  } catch (error) {
    assert.ok(error instanceof MalformedMessage, String(error));
    return undefined;
  }
}

describe("reading a frame", () => {
  it("gives what the generated code encodes", () => {
    const frame = fc.record({
      firstSeq: fc.bigInt(0n, 2n ** 64n - 1n),
      count: fc.nat(2 ** 31 - 1),
      part: fc.option(
        fc.record({ offset: fc.bigInt(0n, 2n ** 60n), itemBytes: fc.bigInt(0n, 2n ** 60n) }),
        { nil: undefined },
      ),
      items: fc.array(fc.uint8Array({ maxLength: 200 })),
    });
    fc.assert(
      fc.property(frame, (message) => {
        const bytes = Frame.encode(message).finish();
        sameFrame(readFrame(bytes), plain(message));
        sameFrame(readFrame(Buffer.from(bytes)), plain(message));
      }),
    );
  });

  it("gives the same of every encoding that is legal", () => {
    fc.assert(
      fc.property(pieces, (all) => {
        const bytes = join(all.map((one) => one.bytes));
        const expected = meaningOf(all);
        sameFrame(readFrame(bytes), expected);
        // The generated code takes the last of several parts; proto3 merges them.
        if (all.filter(({ kind }) => kind === "part").length > 1) return;
        assert.deepEqual(plain(Frame.decode(bytes)), expected, "the oracle agrees");
      }),
      { numRuns: 1000 },
    );
  });

  it("merges the pieces of a frame that comes several times in its message", () => {
    const several = fc.array(pieces, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(several, fc.boolean(), (frames, queueFirst) => {
        const name = chunk(1, Buffer.from("jobs"));
        const id = chunk(5, Buffer.from("id"));
        const bodies = frames.map((all) => chunk(15, join(all.map(({ bytes }) => bytes))));
        const fields = queueFirst ? [name, ...bodies, id] : [...bodies, id, name];
        const { frame, ...others } = putCodec.decode(join(fields));
        assert.ok(frame);
        sameFrame(frame, meaningOf(frames.flat()));
        assert.deepEqual(others, { queue: "jobs", waitMs: undefined, requestId: "id" });
      }),
      { numRuns: 300 },
    );
  });

  it("tells a message without a frame from one with an empty frame", () => {
    assert.equal(putCodec.decode(new Uint8Array(0)).frame, undefined);
    assert.equal(putCodec.decode(chunk(15, new Uint8Array(0))).frame?.items.count, 0);
  });

  it("refuses bytes that are cut off, and nothing but that can go wrong", () => {
    fc.assert(
      fc.property(pieces, fc.nat(), (all, where) => {
        const bytes = join(all.map((one) => one.bytes));
        const cut = bytes.subarray(0, where % (bytes.length + 1));
        const seen = tryRead(cut);
        const oracle = tryOracle(cut);
        if (oracle === undefined) assert.equal(seen, undefined, "the oracle refuses it");
        const parts = all.filter(({ kind }) => kind === "part").length;
        if (seen !== undefined && oracle !== undefined && parts <= 1)
          sameFrame(seen, plain(oracle));
      }),
      { numRuns: 1000 },
    );
  });

  it("never sees in damaged bytes what the generated code does not see", () => {
    let compared = 0;
    const damage = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(pieces, damage, (all, changes) => {
        const bytes = join(all.map((one) => one.bytes));
        for (const [where, value] of changes) {
          if (bytes.length > 0) bytes[where % bytes.length] = value;
        }
        const seen = tryRead(bytes);
        const oracle = tryOracle(bytes);
        // Where several parts may have come, the two differ on purpose.
        if (seen === undefined || oracle === undefined || seen.part !== undefined) return;
        sameFrame(seen, plain(oracle));
        compared++;
      }),
      { numRuns: 2000 },
    );
    assert.ok(compared > 200, `only ${compared} were messages for both`);
  });

  it("never fails in another way at random bytes", () => {
    const wild = fc.array(fc.constantFrom(0, 0x7a, 0x7b, 0x7c, 0x32, 0x08, 0x10, 0x80, 0xff, 3));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), wild), (bytes) => {
        tryRead(Uint8Array.from(bytes));
      }),
      { numRuns: 5000 },
    );
  });

  it("refuses groups that end wrong, or are nested without end", () => {
    const group = (field: number, body: Uint8Array) => join([tag(field, 3), body, tag(field, 4)]);
    let nested: Uint8Array = new Uint8Array(0);
    for (let depth = 0; depth < 100; depth++) nested = group(20, nested);
    assert.equal(readFrame(nested).items.count, 0);
    assert.throws(() => readFrame(group(20, nested)), MalformedMessage);
    assert.throws(() => readFrame(join([tag(20, 3), tag(21, 4)])), MalformedMessage);
    assert.throws(() => readFrame(tag(20, 4)), MalformedMessage);
    const deep = join(Array.from({ length: 100_000 }, () => tag(20, 3)));
    assert.throws(() => readFrame(deep), MalformedMessage);
  });

  it("refuses numbers of more than ten bytes, lengths beyond the end, and field 0", () => {
    const eleven = join([tag(1, 0), new Uint8Array(10).fill(0x80), Uint8Array.of(0)]);
    const longs = [2n ** 31n, 2n ** 32n, 2n ** 63n].map((n) => join([tag(15, 2), varint(n)]));
    for (const bytes of [
      eleven,
      ...longs,
      Uint8Array.of(0, 0),
      Uint8Array.of(0x7e),
      varint(2n ** 35n),
    ]) {
      assert.throws(() => readFrame(bytes), MalformedMessage, hex(bytes));
    }
  });

  it("reads a hundred thousand items, whose memory it shares unless they are scattered", () => {
    const items = Array.from({ length: 100_000 }, (_, n) => new Uint8Array(n % 3).fill(n));
    const bytes = Frame.encode(Frame.create({ firstSeq: 7n, count: 100_000, items })).finish();
    const whole = readFrame(bytes);
    assert.equal(whole.items.count, 100_000);
    assert.equal(whole.items.encoded.buffer, bytes.buffer);
    const scattered = join([bytes, tag(30, 0), varint(1), bytes]);
    const both = readFrame(scattered);
    assert.notEqual(both.items.encoded.buffer, scattered.buffer);
    assert.deepEqual(both.items.toArray().map(hex), [...items, ...items].map(hex));
  });
});
