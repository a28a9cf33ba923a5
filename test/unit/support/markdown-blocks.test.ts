import assert from "node:assert/strict";
import { markdownBlocks } from "../../support/markdown-blocks.js";

describe("the fenced blocks of a page", () => {
  it("come with the heading above them, whatever is in them", () => {
    const page = [
      "```text\nbefore all\n```",
      "# One",
      "`not` a block, ``nor this``",
      "```sh\n# no heading\necho 1\n```",
      "## Two ",
      "```\n```",
      "```go\n\ta\n\n\tb\n```\n",
    ].join("\n\n");
    assert.deepEqual(markdownBlocks(page), [
      { heading: "", language: "text", text: "before all\n" },
      { heading: "One", language: "sh", text: "# no heading\necho 1\n" },
      { heading: "Two", language: "", text: "" },
      { heading: "Two", language: "go", text: "\ta\n\n\tb\n" },
    ]);
  });
});
