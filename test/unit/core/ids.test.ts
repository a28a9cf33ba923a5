import assert from "node:assert/strict";
import fc from "fast-check";
import { formatProcessUid, parseProcessUid } from "../../../server/core/ids.js";

describe("the uid of a process", () => {
  it("is read back from how it is written", () => {
    fc.assert(
      fc.property(fc.uuid(), (uuid) => {
        const uid = parseProcessUid(uuid);
        assert.ok(uid !== undefined);
        assert.match(uid, /^[0-9a-f]{32}$/);
        assert.equal(formatProcessUid(uid), uuid);
        assert.equal(parseProcessUid(uuid.toUpperCase()), uid);
        assert.equal(parseProcessUid(uid), uid);
      }),
    );
  });

  it("is nothing else", () => {
    const digits = "0123456789abcdef".repeat(2);
    for (const text of [
      "",
      "-",
      digits.slice(1),
      `${digits}0`,
      `g${digits.slice(1)}`,
      `${digits}\n`,
    ]) {
      assert.equal(parseProcessUid(text), undefined, JSON.stringify(text));
    }
  });
});
