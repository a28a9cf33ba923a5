import assert from "node:assert/strict";
import fc from "fast-check";
import { ConsumeResponse, ProduceRequest } from "../../../proto/gen/forkbus/v1/queue.js";
import { readFrame } from "../../../wire/frame.js";
import { Items } from "../../../wire/items.js";
import { LargeItem, partsOf } from "../../../wire/large-item.js";
import { frameCodec } from "../../../wire/message.js";
import { type Rope } from "../../../wire/rope.js";
import { varintBytes, writeVarint } from "../../../wire/varint.js";
import { WireReader } from "../../../wire/wire-reader.js";
import { hex, varint } from "./encodings.js";

function bytesOf(rope: Rope): Buffer {
  const target = Buffer.alloc(rope.byteLength + 2, 0xee);
  rope.copy(target, 1);
  assert.deepEqual([target[0], target[rope.byteLength + 1]], [0xee, 0xee], "it writes no more");
  return target.subarray(1, -1);
}

const item = fc.oneof(
  fc.uint8Array({ maxLength: 9 }),
  fc.constantFrom(127, 128, 16_383, 16_384).map((length) => new Uint8Array(length).fill(5)),
);
const safe = fc.nat(Number.MAX_SAFE_INTEGER);

describe("a message with a frame", () => {
  it("is to the generated code what it was made from", () => {
    const codec = frameCodec(ConsumeResponse);
    const frame = fc.record({
      firstSeq: safe,
      part: fc.option(fc.record({ offset: safe, itemBytes: safe }), { nil: undefined }),
      rows: fc.array(fc.array(item, { maxLength: 5 }), { maxLength: 4 }),
    });
    fc.assert(
      fc.property(frame, fc.bigInt(0n, 2n ** 64n - 1n), ({ firstSeq, part, rows }, backlog) => {
        const head = { end: 0, backlog, takenTotal: 3n } as const;
        const rope = codec.encode({
          ...head,
          frame: { firstSeq, part, rows: rows.map((row) => Items.of(row)) },
        });
        const bytes = bytesOf(rope.finish());
        const seen = ConsumeResponse.decode(bytes);
        assert.deepEqual([seen.backlog, seen.takenTotal], [backlog, 3n]);
        const items = rows.flat();
        assert.equal(seen.frame?.firstSeq, BigInt(firstSeq));
        assert.equal(seen.frame.count, items.length);
        assert.deepEqual(seen.frame.items.map(hex), items.map(hex));
        const { offset, itemBytes } = seen.frame.part ?? { offset: -1n, itemBytes: -1n };
        assert.deepEqual(
          [offset, itemBytes],
          part === undefined ? [-1n, -1n] : [BigInt(part.offset), BigInt(part.itemBytes)],
        );
        const again = codec.decode(bytes);
        assert.equal(again.frame?.firstSeq, firstSeq);
        assert.deepEqual({ ...again.frame.part }, { ...part });
      }),
    );
  });

  it("has its headers before its items, in as few bytes as the generated code needs", () => {
    const frame = {
      firstSeq: 9,
      rows: [Items.of([Buffer.from("a")]), Items.of([Buffer.from("b")])],
    };
    const bytes = bytesOf(
      frameCodec(ConsumeResponse)
        .encode({ ...noHead, frame })
        .finish(),
    );
    const usual = ConsumeResponse.encode(ConsumeResponse.decode(bytes)).finish();
    assert.equal(hex(bytes), hex(usual));
  });

  it("stays without one when it has none", () => {
    const bytes = bytesOf(
      frameCodec(ConsumeResponse)
        .encode({ ...noHead, frame: undefined })
        .finish(),
    );
    assert.equal(ConsumeResponse.decode(bytes).frame, undefined);
  });

  it("is read as the generated code encoded it, also as a Buffer", () => {
    const open = { queue: "q", producerId: "p", waitMs: 0, knownSeq: 8n };
    const items = [Buffer.from("x"), Buffer.alloc(0), Buffer.alloc(300, 7)];
    const message = ProduceRequest.fromPartial({ open, frame: { firstSeq: 4n, count: 3, items } });
    const bytes = Buffer.from(ProduceRequest.encode(message).finish());
    const seen = frameCodec(ProduceRequest).decode(bytes);
    assert.deepEqual(seen.open, message.open);
    assert.equal(seen.frame?.firstSeq, 4);
    assert.deepEqual([...seen.frame.items].map(hex), items.map(hex));
  });
});

const noHead = { end: 0, backlog: 0n, takenTotal: 0n } as const;

describe("items", () => {
  const lists = fc.array(item, { maxLength: 12 });

  it("are the same as a list", () => {
    fc.assert(
      fc.property(lists, (list) => {
        const items = Items.of(list);
        assert.deepEqual([...items].map(hex), list.map(hex));
        assert.equal(items.count, list.length);
        assert.equal(
          items.bytes,
          list.reduce((sum, { length }) => sum + length, 0),
        );
        assert.equal(items.largest, Math.max(0, ...list.map(({ length }) => length)));
        assert.deepEqual([...readFrame(items.encoded).items].map(hex), list.map(hex));
      }),
    );
  });

  it("are split like a list, and neither half is copied", () => {
    fc.assert(
      fc.property(lists, fc.nat(12), (list, at) => {
        const items = Items.of(list);
        if (at > list.length) {
          assert.throws(() => items.split(at));
          return;
        }
        const [first, rest] = items.split(at);
        sameAs(first, list.slice(0, at));
        sameAs(rest, list.slice(at));
        assert.equal(first.encoded.buffer, items.encoded.buffer);
      }),
    );
  });

  it("are split within limits where a list would be", () => {
    const limits = fc.record({
      items: fc.nat(13),
      bytes: fc.oneof(fc.nat(40), fc.constant(Infinity)),
      encodedBytes: fc.oneof(fc.nat(60), fc.constant(Infinity)),
    });
    fc.assert(
      fc.property(lists, limits, (list, most) => {
        let at = 0;
        const fits = (part: readonly Uint8Array[]): boolean => Items.of(part).keepsTo(most);
        while (at < list.length && fits(list.slice(0, at + 1))) at++;
        const [first, rest] = Items.of(list).splitWithin(most);
        sameAs(first, list.slice(0, at));
        sameAs(rest, list.slice(at));
      }),
      { numRuns: 500 },
    );
  });

  it("are copied into memory of their own, also from a Buffer", () => {
    const { encoded, count, bytes } = Items.of([Buffer.from("abc")]);
    const shared = Buffer.concat([Buffer.alloc(5), encoded]);
    const copy = new Items(shared.subarray(5), count, bytes).copy();
    shared.fill(0);
    assert.deepEqual([...copy].map(String), ["97,98,99"]);
    assert.equal(copy.encoded.buffer.byteLength, encoded.length);
  });
});

function sameAs(items: Items, list: readonly Uint8Array[]): void {
  const expected = Items.of(list);
  assert.deepEqual(
    [items.count, items.bytes, hex(items.encoded)],
    [expected.count, expected.bytes, hex(expected.encoded)],
  );
}

describe("a large item", () => {
  it("is the same when it is put together from its parts", () => {
    const sizes = fc.tuple(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 700 }));
    fc.assert(
      fc.property(sizes, ([size, partBytes]) => {
        const body = Uint8Array.from({ length: size }, (_, n) => n % 251);
        const whole = Items.of([body]);
        const assembly = new LargeItem(size);
        let parts = 0;
        for (const { part, items } of partsOf(whole, partBytes)) {
          assert.equal(assembly.complete(), undefined, "not before its last part");
          assert.deepEqual(part, { offset: assembly.received, itemBytes: size });
          assert.equal(items.count, 1);
          const [piece] = items;
          assert.ok(piece !== undefined && piece.length <= partBytes);
          assembly.add(piece);
          parts++;
        }
        assert.equal(parts, Math.ceil(size / partBytes));
        const complete = assembly.complete();
        assert.ok(complete);
        sameAs(complete, [body]);
      }),
    );
  });
});

describe("a varint", () => {
  it("is as long as it must be, and reads back as it was", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          safe,
          fc.nat(53).map((bits) => 2 ** bits - 1),
        ),
        (value) => {
          const bytes = new Uint8Array(10);
          const end = writeVarint(bytes, 0, value);
          assert.equal(end, varintBytes(value));
          assert.equal(hex(bytes.subarray(0, end)), hex(varint(value)));
          const reader = new WireReader(bytes);
          assert.equal(reader.varint(), value);
          assert.equal(reader.position, end);
        },
      ),
    );
  });

  it("of more than 64 bits, or of 32, loses those above", () => {
    const reader = (bytes: Uint8Array): WireReader => new WireReader(bytes);
    const beyond = Uint8Array.of(0x81, ...new Array<number>(8).fill(0x80), 0x7e);
    assert.equal(reader(beyond).varint(), 1);
    assert.equal(reader(varint(2n ** 60n + 5n)).uint32(), 5);
    assert.equal(reader(varint(2n ** 32n - 1n)).uint32(), 2 ** 32 - 1);
  });
});
