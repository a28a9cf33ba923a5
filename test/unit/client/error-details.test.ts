import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeErrorDetails } from "../../../client/typescript/error-details.js";
import { encodeErrorDetails } from "../../../server/grpc/error-details.js";

/** The daemon names its facts itself, and none of them like this. */
const key = fc.string().filter((name) => name !== "__proto__");

describe("Error details", () => {
  it("are read as the daemon writes them", () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.dictionary(key, fc.string(), { noNullPrototype: true }),
        fc.option(fc.integer({ min: 0, max: 10_000_000 }), { nil: undefined }),
        fc.option(fc.string(), { nil: undefined }),
        (reason, metadata, retryAfterMs, badField) => {
          const bytes = encodeErrorDetails({
            code: 5,
            message: "sentence",
            reason,
            domain: "forkbus",
            metadata,
            retryAfterMs,
            badField,
            exhausted: badField,
          });
          assert.deepEqual(decodeErrorDetails(bytes), { reason, metadata, retryAfterMs });
        },
      ),
    );
  });

  it("are none, and no failure, for bytes that are something else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        assert.equal(typeof decodeErrorDetails(bytes).reason, "string");
      }),
    );
    assert.equal(decodeErrorDetails(Uint8Array.of(0x1a, 0xff)).reason, "");
  });
});
