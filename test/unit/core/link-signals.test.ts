import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { linkSignals } from "../../../server/core/link-signals.js";

function listeners(...controllers: readonly AbortController[]): readonly number[] {
  return controllers.map(({ signal }) => getEventListeners(signal, "abort").length);
}

describe("linked signals", () => {
  it("abort with the first source, and its reason, and let go of all", () => {
    const a = new AbortController();
    const b = new AbortController();
    using linked = linkSignals(a.signal, undefined, b.signal);
    assert.equal(linked.signal.aborted, false);
    assert.deepEqual(listeners(a, b), [1, 1]);
    b.abort("because of b");
    assert.equal(linked.signal.reason, "because of b");
    assert.deepEqual(listeners(a, b), [0, 0]);
    a.abort("too late");
    assert.equal(linked.signal.reason, "because of b");
  });

  it("are aborted at once when a source is, and listen to none", () => {
    const a = new AbortController();
    const b = new AbortController();
    const c = new AbortController();
    b.abort("before");
    using linked = linkSignals(a.signal, b.signal, c.signal);
    assert.equal(linked.signal.reason, "before");
    assert.deepEqual(listeners(a, b, c), [0, 0, 0]);
  });

  it("let go of their sources when they are disposed, as often as one likes", () => {
    const source = new AbortController();
    for (let round = 0; round < 100; round++) {
      using linked = linkSignals(source.signal);
      linked[Symbol.dispose]();
      assert.deepEqual(listeners(source), [0]);
    }
    const linked = linkSignals(source.signal);
    linked[Symbol.dispose]();
    source.abort();
    assert.equal(linked.signal.aborted, false);
  });

  it("never abort without sources", () => {
    using linked = linkSignals(undefined);
    assert.equal(linked.signal.aborted, false);
  });
});
