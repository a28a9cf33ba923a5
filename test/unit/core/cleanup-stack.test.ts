import assert from "node:assert/strict";
import { CleanupStack } from "../../../server/core/cleanup-stack.js";

describe("a cleanup stack", () => {
  it("releases newest first, each after the one before it is done", async () => {
    const done: string[] = [];
    const stack = new CleanupStack();
    stack.defer(() => void done.push("first"));
    const resource = {
      [Symbol.asyncDispose]: async () => {
        await new Promise((resolve) => setImmediate(resolve));
        done.push("second");
      },
    };
    assert.equal(stack.use(resource), resource);
    stack.defer(() => void done.push("third"));
    await stack[Symbol.asyncDispose]();
    assert.deepEqual(done, ["third", "second", "first"]);
    await stack[Symbol.asyncDispose]();
    assert.equal(done.length, 3, "only once");
  });

  it("releases the rest when one fails, and tells the failure", async () => {
    let released = false;
    const stack = new CleanupStack();
    stack.defer(() => {
      released = true;
    });
    stack.defer(() => {
      throw new Error("stuck");
    });
    await assert.rejects(stack[Symbol.asyncDispose](), /^Error: stuck$/);
    assert.equal(released, true);
  });

  it("tells all failures, newest first", async () => {
    const stack = new CleanupStack();
    stack.defer(() => Promise.reject(new Error("one")));
    stack.defer(() => {
      throw new Error("two");
    });
    await assert.rejects(stack[Symbol.asyncDispose](), (error) => {
      assert.ok(error instanceof AggregateError);
      assert.deepEqual(error.errors.map(String), ["Error: two", "Error: one"]);
      return true;
    });
  });
});
