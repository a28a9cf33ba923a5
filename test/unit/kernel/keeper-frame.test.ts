import assert from "node:assert/strict";
import fc from "fast-check";
import {
  encodeFrame,
  type Frame,
  FrameReader,
  MAX_FRAME_BYTES,
} from "../../../server/kernel/keeper/keeper-frame.js";

const anyFrame: fc.Arbitrary<Frame> = fc.record({
  type: fc.nat(0xffff),
  request: fc.nat(0xffff_ffff),
  fields: fc.array(fc.tuple(fc.nat(0xffff), fc.uint8Array({ maxLength: 40 })), { maxLength: 6 }),
});

function plain(frames: Iterable<Frame>): unknown {
  return [...frames].map(({ type, request, fields }) => ({
    type,
    request,
    fields: fields.map(([tag, value]) => [tag, [...value]]),
  }));
}

function readAll(chunks: readonly Buffer[]): readonly Frame[] {
  const reader = new FrameReader();
  return chunks.flatMap((chunk) => [...reader.read(chunk)]);
}

/** The head of a frame that says it has so many bytes after its length. */
function head(length: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32LE(length);
  return bytes;
}

describe("frames of the keeper protocol", () => {
  it("come back as they were, wherever the stream is cut", () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 5 }), cuts, (frames, sizes) => {
        const bytes = Buffer.concat(frames.map(encodeFrame));
        const chunks: Buffer[] = [];
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1;
          chunks.push(bytes.subarray(at, at + size));
          at += size;
        }
        assert.deepEqual(plain(readAll(chunks)), plain(frames));
      }),
    );
  });

  it("come as soon as they are whole, at every boundary", () => {
    const frames = [1, 2, 3].map((request) => ({
      type: 64,
      request,
      fields: [[30, Buffer.from("text")] as const],
    }));
    const size = encodeFrame(frames[0] ?? assert.fail("no frame")).length;
    const bytes = Buffer.concat(frames.map(encodeFrame));
    for (let cut = 0; cut <= bytes.length; cut++) {
      const reader = new FrameReader();
      const early = [...reader.read(bytes.subarray(0, cut))];
      assert.equal(early.length, Math.floor(cut / size));
      const late = [...reader.read(bytes.subarray(cut))];
      assert.deepEqual(plain([...early, ...late]), plain(frames), `cut at ${cut}`);
    }
  });

  it("may be as large as the keeper takes, and no larger", () => {
    const largest = MAX_FRAME_BYTES - 16;
    const fields = [[27, Buffer.alloc(largest, 7)]] as const;
    const bytes = encodeFrame({ type: 6, request: 1, fields });
    const chunks = [];
    for (let at = 0; at < bytes.length; at += 65_536) chunks.push(bytes.subarray(at, at + 65_536));
    assert.equal(readAll(chunks)[0]?.fields[0]?.[1].length, largest);
    const larger = [[27, Buffer.alloc(largest + 1)]] as const;
    assert.throws(() => encodeFrame({ type: 6, request: 1, fields: larger }), RangeError);
  });

  it("are refused when they cannot be as long as they say", () => {
    for (const length of [0, 7, MAX_FRAME_BYTES + 1, 0xffff_ffff]) {
      assert.throws(() => readAll([head(length)]), new RegExp(`of ${length} bytes`));
    }
    assert.deepEqual(readAll([head(8)])[0]?.fields, []);
  });

  it("are refused when a field lies about its length, or is cut off", () => {
    const frame = encodeFrame({ type: 64, request: 1, fields: [[30, Buffer.from("text")]] });
    for (const length of [5, 0xffff_ffff]) {
      const lying = Buffer.from(frame);
      lying.writeUInt32LE(length, 16);
      assert.throws(() => readAll([lying]), /longer than its frame/);
    }
    for (const length of [0, 1, 3]) {
      const lying = Buffer.from(frame);
      lying.writeUInt32LE(length, 16);
      assert.throws(() => readAll([lying]), /ends inside a field/);
    }
  });

  it("are never invented: garbage throws, or waits for more", () => {
    fc.assert(
      fc.property(anyFrame, fc.nat(), fc.nat(255), (frame, place, value) => {
        const bytes = encodeFrame(frame);
        bytes.writeUInt8(value, place % bytes.length);
        let found: readonly Frame[] = [];
        try {
          found = readAll([bytes]);
        } catch (error) {
          assert.match(String(error), /frame/);
        }
        for (const { fields } of found) {
          const held = fields.reduce((sum, field) => sum + 8 + field[1].length, 12);
          assert.ok(held <= bytes.length);
        }
      }),
    );
  });
});
