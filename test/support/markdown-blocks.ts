/** A fenced block of a Markdown page. */
export interface MarkdownBlock {
  /** The text of the nearest heading above it; empty when there is none. */
  readonly heading: string;
  /** What stands behind the opening fence, such as `sh`. */
  readonly language: string;
  readonly text: string;
}

const FENCED_OR_HEADING = /^```(.*)\n([\s\S]*?)^```$|^#+ +(.*)$/gm;

/** All fenced blocks, in the order of the page. What looks like a heading inside a block is not one. */
export function markdownBlocks(page: string): MarkdownBlock[] {
  const blocks: MarkdownBlock[] = [];
  let heading = "";
  for (const [, language, text, title] of page.matchAll(FENCED_OR_HEADING)) {
    if (title !== undefined) heading = title.trim();
    else blocks.push({ heading, language: language?.trim() ?? "", text: text ?? "" });
  }
  return blocks;
}
