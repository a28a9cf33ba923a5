import assert from "node:assert/strict";
import fc from "fast-check";
import { ItemSplitter } from "../../../cli/item-splitter.js";

/** All items of these chunks, as text. */
function split(separator: "\n" | "\0", ...chunks: readonly Uint8Array[]): readonly string[] {
  const splitter = new ItemSplitter(separator);
  const items = chunks.flatMap((chunk) => splitter.push(chunk));
  return [...items, ...splitter.end()].map((item) => Buffer.from(item).toString("latin1"));
}

describe("splitting a stream into items", () => {
  it("takes lines, with a last one that has no end", () => {
    assert.deepEqual(split("\n", Buffer.from("a\nb\r\n\nc")), ["a", "b\r", "", "c"]);
    assert.deepEqual(split("\n", Buffer.from("a\n")), ["a"]);
    assert.deepEqual(split("\n"), []);
  });

  it("takes items with newlines in them when NUL separates", () => {
    assert.deepEqual(split("\0", Buffer.from("a\nb\0c\0")), ["a\nb", "c"]);
  });

  it("does not care how the stream is cut", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ max: 12 })), (chunks) => {
        const whole = Buffer.concat(chunks).toString("latin1");
        const expected = whole.split("\n");
        if (expected.at(-1) === "") expected.pop();
        assert.deepEqual(split("\n", ...chunks), expected);
      }),
    );
  });

  it("knows how much it holds", () => {
    const splitter = new ItemSplitter("\n");
    splitter.push(Buffer.from("abc"));
    splitter.push(Buffer.from("de"));
    assert.equal(splitter.pendingBytes, 5);
    splitter.push(Buffer.from("\nf"));
    assert.equal(splitter.pendingBytes, 1);
  });
});
