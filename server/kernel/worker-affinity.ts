import { readFileSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { type CpuSet } from "../cpus/cpu-set.js";
import { type PidAndStart, startTicksOf } from "./process-start.js";
import { usableCpus } from "./usable-cpus.js";

/** Other work gets its turn after so many reads, which take some 30 µs each. */
const SLICE = 32;

/**
 * On which CPUs each of the processes may run, as the kernel says now: of its main thread. Undefined
 * for one that is gone, or whose pid is another's. `expected` saves a look at who it is: a stranger on the right CPUs is no news.
 */
export async function readAffinities(
  workers: readonly (PidAndStart & { readonly expected: CpuSet | null })[],
  root = "/proc",
): Promise<readonly (CpuSet | undefined)[]> {
  const found: (CpuSet | undefined)[] = [];
  for (const [index, worker] of workers.entries()) {
    if (index % SLICE === SLICE - 1) await setImmediate();
    found.push(affinityOf(worker, worker.expected, root));
  }
  return found;
}

function affinityOf(
  { pid, startTicks }: PidAndStart,
  expected: CpuSet | null,
  root: string,
): CpuSet | undefined {
  try {
    const cpus = usableCpus(`${root}/${pid}/status`);
    if (expected !== null && cpus.join() === expected.join()) return cpus;
    return startTicksOf(readFileSync(`${root}/${pid}/stat`, "utf8")) === startTicks
      ? cpus
      : undefined;
  } catch {
    // It has ended meanwhile; the keeper tells of that.
    return undefined;
  }
}
