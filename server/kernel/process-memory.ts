import { readFile } from "node:fs/promises";
import { type PidAndStart, startTicksOf } from "./process-start.js";

export interface ProcessMemory {
  readonly rssBytes: number;
  /** Shared pages counted by their share. */
  readonly pssBytes: number;
}

/** Null where we may not look, or there is no such process any more. */
export async function processMemory({
  pid,
  startTicks,
}: PidAndStart): Promise<ProcessMemory | null> {
  try {
    const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8");
    // One that is still there now was there before.
    if (startTicksOf(await readFile(`/proc/${pid}/stat`, "utf8")) !== startTicks) return null;
    const bytes = (field: string): number =>
      Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(text)?.[1] ?? 0) * 1024;
    return { rssBytes: bytes("Rss"), pssBytes: bytes("Pss") };
  } catch {
    return null;
  }
}
