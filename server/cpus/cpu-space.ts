import { type CpuSet, formatCpuSet, sorted } from "./cpu-set.js";
import { type Topology } from "./topology.js";

/** What the kernel and the operator leave to workers. */
export interface CpuSpace {
  readonly topology: Topology;
  /** CPUs that the kernel lets us use. */
  readonly allowed: CpuSet;
  /** Those that workers may be placed on; not empty. */
  readonly usable: CpuSet;
  /** Those that are never given. */
  readonly reserved: CpuSet;
  /** So many usable CPUs are never exclusive; at least 1. */
  readonly minShared: number;
}

export interface CpuChoices {
  /** Null: all that are allowed. */
  readonly cpus: CpuSet | null;
  readonly reserved: CpuSet;
  readonly minShared: number;
}

/** Throws when nothing would be left for workers. */
export function cpuSpace(topology: Topology, allowed: CpuSet, choices: CpuChoices): CpuSpace {
  const { cpus, minShared } = choices;
  const reserved = sorted(choices.reserved);
  const chosen = sorted(cpus ?? allowed);
  const usable = chosen.filter((cpu) => !reserved.includes(cpu));
  if (usable.length === 0) {
    throw new RangeError(
      `No CPU is left for workers: ${formatCpuSet(chosen) || "none"} may be used, and ${formatCpuSet(reserved) || "none"} are reserved`,
    );
  }
  if (!Number.isSafeInteger(minShared) || minShared < 1) {
    throw new RangeError(`At least one CPU is shared, got ${minShared}`);
  }
  return { topology, allowed: sorted(allowed), usable, reserved, minShared };
}
