import { readFile } from "node:fs/promises";

export interface ProcessMemory {
  readonly rssBytes: number;
  /** Shared pages counted by their share. */
  readonly pssBytes: number;
}

/** Null where we may not look, or there is no such process. */
export async function processMemory(pid: number): Promise<ProcessMemory | null> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => null);
  if (text === null) return null;
  const bytes = (field: string): number =>
    Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(text)?.[1] ?? 0) * 1024;
  return { rssBytes: bytes("Rss"), pssBytes: bytes("Pss") };
}
