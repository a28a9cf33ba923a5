import assert from "node:assert/strict";
import fc from "fast-check";
import { SortedNames } from "../../../server/core/sorted-names.js";

const name = fc.stringMatching(/^[a-c][a-c./]{0,3}$/);

describe("sorted names", () => {
  it("list what a set would, in order, by prefix and from any point", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.boolean(), name)),
        fc.stringMatching(/^[a-c]{0,2}$/),
        fc.oneof(name, fc.constant("")),
        (changes, prefix, after) => {
          const names = new SortedNames();
          const model = new Set<string>();
          for (const [isAdded, each] of changes) {
            if (isAdded) {
              names.add(each);
              model.add(each);
            } else {
              names.delete(each);
              model.delete(each);
            }
          }
          const expected = [...model]
            .filter((each) => each.startsWith(prefix) && each > after)
            .sort((a, b) => (a < b ? -1 : 1));
          assert.deepEqual([...names.list(prefix, after)], expected);
        },
      ),
    );
  });
});
