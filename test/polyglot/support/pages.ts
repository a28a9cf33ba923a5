import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../../server/kernel/package-root.js";
import { markdownBlocks } from "../../support/markdown-blocks.js";
import { type Language } from "./toolchains.js";

/** The fenced blocks below one heading of a page, as pairs of language and text. */
function blocksBelow(page: string, heading: string): (readonly [string, string])[] {
  return markdownBlocks(readFileSync(join(packageRoot, page), "utf8"))
    .filter((block) => block.heading === heading)
    .map((block) => [block.language, block.text]);
}

/** How a page says that an example is built and run. */
export interface Recipe {
  readonly build: string;
  readonly run: string;
}

export function recipeOf({ heading }: Language): Recipe {
  const blocks = blocksBelow("examples/polyglot/README.md", heading);
  const [build, run] = blocks;
  assert.ok(build !== undefined && run !== undefined, `${heading} has a block too few`);
  assert.deepEqual(
    blocks.map(([language]) => language),
    ["sh", "sh"],
    `blocks of ${heading}`,
  );
  return { build: build[1], run: run[1] };
}

/** What the front page says: what is needed once, what to type, and what is printed then. */
export interface OneLiner {
  readonly prepare: string;
  readonly run: string;
  readonly prints: string;
}

export function oneLinerOf(heading: string): OneLiner {
  const blocks = blocksBelow("README.md", heading);
  const [prepare, run, prints] = blocks;
  assert.ok(
    prepare !== undefined && run !== undefined && prints !== undefined,
    `${heading} is short`,
  );
  assert.deepEqual(
    blocks.map(([language]) => language),
    ["sh", "sh", "text"],
    `blocks of ${heading}`,
  );
  return { prepare: prepare[1], run: run[1], prints: prints[1] };
}
