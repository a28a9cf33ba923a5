import { type OutputFile } from "./output.js";
import { type LogExtent } from "./process-state.js";

const BLOCK_BYTES = 64 * 1024;
/** How far back lines are looked for. */
const MAX_LOOK_BACK_BYTES = 16 * 1024 * 1024;
const NEWLINE = 10;

/** Where the last `lines` lines of the file begin. A last line without its newline counts as one. */
export async function findLastLines(
  file: Pick<OutputFile, "read">,
  { begin, end }: LogExtent,
  lines: number,
): Promise<number> {
  if (lines === 0) return end;
  const earliest = Math.max(begin, end - MAX_LOOK_BACK_BYTES);
  const buffer = new Uint8Array(BLOCK_BYTES);
  let missing = lines;
  for (let blockEnd = end; blockEnd > earliest;) {
    const start = Math.max(earliest, blockEnd - BLOCK_BYTES);
    const block = buffer.subarray(0, blockEnd - start);
    const bytes = await file.read(block, start);
    for (let index = bytes - 1; index >= 0; index--) {
      const position = start + index;
      // The newline at the very end closes the last line; it begins no other.
      if (block[index] !== NEWLINE || position === end - 1) continue;
      missing--;
      if (missing === 0) return position + 1;
    }
    blockEnd = start;
  }
  return earliest;
}
