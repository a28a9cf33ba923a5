import { formatCpuSet } from "../cpus/cpu-set.js";
import { type Difference } from "./affinity-check.js";

/** What an operator is told of workers that are not on their CPUs: one sentence, however many they are. */
export function misplaced([first, ...others]: readonly Difference[]): readonly string[] {
  if (first === undefined) return [];
  const { record, assigned, kernel } = first;
  const more = others.length === 0 ? "" : `, and ${others.length} more are not on theirs`;
  return [
    `Worker ${record.name} runs on CPUs ${formatCpuSet(kernel)}, and its place is ${formatCpuSet(assigned)}${more}`,
  ];
}
