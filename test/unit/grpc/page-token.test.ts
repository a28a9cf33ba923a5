import assert from "node:assert/strict";
import fc from "fast-check";
import {
  decodePageToken,
  encodePageToken,
  MAX_PAGE_SIZE,
  pageSize,
} from "../../../server/grpc/page-token.js";

const invalid = { code: "page-token-invalid" };

function token(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

describe("a page token", () => {
  it("leads to where the next page begins, for the same query alone", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.string(), (filter, other, name) => {
        const next = encodePageToken(filter, name);
        assert.match(next, /^[A-Za-z0-9_-]+$/);
        assert.equal(decodePageToken(filter, next), name);
        if (JSON.stringify(filter) === JSON.stringify(other)) return;
        assert.throws(() => decodePageToken(other, next), invalid);
      }),
    );
  });

  it("is empty for the first page and after the last", () => {
    assert.equal(encodePageToken("filter", null), "");
    assert.equal(decodePageToken("filter", ""), "");
  });

  it("is refused when it is anything else", () => {
    const good = encodePageToken("filter", "name");
    const bad = [
      ...["x", "====", "null", good.slice(2), `${good.slice(0, 10)}A${good.slice(11)}`],
      ...[null, {}, "text", [], ["x"], [1, 2], ["x", "name"]].map(token),
    ];
    for (const text of bad) assert.throws(() => decodePageToken("filter", text), invalid, text);
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (text) => {
        assert.throws(() => decodePageToken("filter", text), invalid);
      }),
    );
  });
});

describe("the size of a page", () => {
  it("has a default and a bound", () => {
    assert.equal(pageSize(0), 100);
    assert.equal(pageSize(1), 1);
    assert.equal(pageSize(MAX_PAGE_SIZE), 1000);
    assert.equal(pageSize(4_294_967_295), 1000);
  });
});
