import assert from "node:assert/strict";
import { only, type Title } from "../../../bench/harness/contender.js";

describe("choosing contenders", () => {
  const title = (group: string, name: string): Title => ({
    ...{ role: "rival", group, name, version: "1", command: name, unit: "ms" },
  });
  const all = [title("1 to 1", "a queue"), title("1 to 1", "a pipe"), title("4 to 4", "a queue")];
  const chosen = (...texts: readonly string[]): readonly number[] =>
    only(all, texts).map((contender) => all.indexOf(contender));

  it("takes all when nothing is asked for", () => {
    assert.deepEqual(chosen(), [0, 1, 2]);
  });

  it("takes those that have every text in their group or name", () => {
    assert.deepEqual(chosen("queue"), [0, 2]);
    assert.deepEqual(chosen("queue", "1 to"), [0]);
    assert.deepEqual(chosen("1 to 1: a pipe"), [1]);
    assert.deepEqual(chosen("nobody"), []);
  });
});
