import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";

const settlesWithinMs = 20_000;
const betweenLooksMs = 50;

/** What a process costs, in millions of bytes. */
export interface Memory {
  /** Pages that nobody shares with it: what its end gives back. */
  readonly privateMb: number;
  /** These, and its share of those that are shared. */
  readonly pssMb: number;
}

/** The text of `/proc/PID/smaps_rollup`. */
export function parseMemory(text: string): Memory {
  const mb = (field: string): number => {
    const size = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(text)?.[1];
    if (size === undefined) throw new Error(`No ${field} in ${JSON.stringify(text.slice(0, 200))}`);
    return (Number(size) * 1024) / 1e6;
  };
  return { privateMb: mb("Private_Clean") + mb("Private_Dirty"), pssMb: mb("Pss") };
}

/** Of processes that have begun to be idle: waits until all are, and until what they have does not change any more. */
export async function idleMemory(pids: readonly number[]): Promise<readonly Memory[]> {
  const deadline = performance.now() + settlesWithinMs;
  let before = "";
  for (;;) {
    const found = await Promise.all(pids.map(look));
    const now = JSON.stringify(found.map(({ memory: { privateMb } }) => privateMb));
    if (now === before && found.every(({ sleeps }) => sleeps)) {
      return found.map(({ memory }) => memory);
    }
    if (performance.now() > deadline) throw new Error(`Not idle: ${pids.join(", ")}`);
    before = now;
    await delay(betweenLooksMs);
  }
}

async function look(pid: number): Promise<{ readonly memory: Memory; readonly sleeps: boolean }> {
  const [rollup, stat] = await Promise.all([
    readFile(`/proc/${pid}/smaps_rollup`, "utf8"),
    readFile(`/proc/${pid}/stat`, "utf8"),
  ]);
  return { memory: parseMemory(rollup), sleeps: /\) S /.test(stat) };
}
