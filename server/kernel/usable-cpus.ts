import { readFileSync } from "node:fs";
import { type CpuSet, parseCpuSet } from "../cpus/cpu-set.js";

/** The CPUs that the kernel lets this process use, and hence its workers. */
export function usableCpus(statusPath = "/proc/self/status"): CpuSet {
  const line = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync(statusPath, "utf8"))?.[1];
  const cpus = line === undefined ? undefined : parseCpuSet(line);
  if (cpus === undefined) throw new Error(`${statusPath} does not tell which CPUs may be used`);
  return cpus;
}
