import assert from "node:assert/strict";
import fc from "fast-check";
import { encodeFrame, FrameReader } from "../../../bench/queue/socket-frame.js";

describe("frames of the bare pipe", () => {
  it("give the same items, however they are cut on the way", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.uint8Array({ maxLength: 30 }), { maxLength: 5 }), { maxLength: 5 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 40 })),
        (frames, cuts) => {
          const sent = Buffer.concat(frames.map(encodeFrame));
          const received: string[] = [];
          const reader = new FrameReader((item) => {
            received.push(Buffer.from(item).toString("hex"));
          });
          for (let offset = 0; offset < sent.length;) {
            const length = Number(cuts.next().value);
            reader.push(sent.subarray(offset, offset + length));
            offset += length;
          }
          const expected = frames.flat().map((item) => Buffer.from(item).toString("hex"));
          assert.deepEqual(received, expected);
        },
      ),
    );
  });
});
