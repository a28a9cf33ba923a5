import assert from "node:assert/strict";
import { silence } from "./support/silence.js";

/** Until a keepalive ping is missed, what `reconnectMs` of that client adds, the longest attempt to connect, and slack. */
const BOUND_MS = 30_000 + 5_000 + 5_000 + 5_000;

describe("a client whose network is cut for good", () => {
  it("says so within the time that keepalive and reconnecting take, and not before", async () => {
    const ms = await silence();
    assert.ok(ms < BOUND_MS, `it went on for ${ms} ms`);
    assert.ok(ms > 5_000, `it gave up after ${ms} ms`);
  });
});
