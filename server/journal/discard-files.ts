import { damagedName, parseFileName } from "./file-names.js";
import { type JournalLog } from "./journal-log.js";
import { isSuperseded } from "./keyed-recovery.js";
import { type SegmentStorage } from "./segment-storage.js";

/** How many damaged files are kept for an operator to look at; the oldest go first. */
export const MAX_DAMAGED_FILES = 8;

/**
 * Removes every file that the snapshot `sequence` has replaced; those in `damaged` are renamed
 * aside instead. A file that resists is warned of and left for the next time.
 */
export async function discardBefore(
  storage: SegmentStorage,
  log: JournalLog,
  sequence: number,
  damaged: ReadonlySet<string>,
): Promise<void> {
  for (const name of await storage.list()) {
    if (!isSuperseded(name, sequence)) continue;
    try {
      if (damaged.has(name)) await storage.rename(name, damagedName(name));
      else await storage.remove(name);
    } catch (error) {
      log.warn("journal cannot discard a file", { file: name, error });
    }
  }
  if (damaged.size > 0) await forgetOldest(storage);
}

async function forgetOldest(storage: SegmentStorage): Promise<void> {
  const aside = (await storage.list()).filter((name) => parseFileName(name).kind === "damaged");
  for (const name of aside.sort().slice(0, -MAX_DAMAGED_FILES)) await storage.remove(name);
}
