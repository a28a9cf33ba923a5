import { readFileSync } from "node:fs";
import { type CpuSet, parseCpuSet } from "../cpus/cpu-set.js";
import { type Cpu, type CoreKind, FULL_CAPACITY, Topology } from "../cpus/topology.js";

/** The files below /sys/devices; undefined for one that is not there. */
export type SysDevices = (path: string) => string | undefined;

export const sysDevices: SysDevices = (path) => {
  try {
    return readFileSync(`/sys/devices/${path}`, "utf8");
  } catch {
    // Which files there are depends on kernel, machine and container.
    return undefined;
  }
};

/**
 * The CPUs that are online and how they lie, as sysfs tells. Where it tells nothing, as in some
 * containers, there are `fallback`, each a core of its own.
 */
export function readTopology(read: SysDevices, fallback: CpuSet): Topology {
  const set = (path: string): CpuSet | undefined => parseCpuSet(read(path) ?? "");
  const number = (path: string): number | undefined => parseNumber(read(path));
  const online = set("system/cpu/online") ?? fallback;
  const nodes = new Map<number, number>();
  for (const node of set("system/node/online") ?? []) {
    for (const cpu of set(`system/node/node${node}/cpulist`) ?? []) nodes.set(cpu, node);
  }
  const capacities = new Map(
    online.map((id) => [id, number(`system/cpu/cpu${id}/cpu_capacity`) ?? FULL_CAPACITY]),
  );
  const kindOf = coreKinds(set("cpu_core/cpus"), set("cpu_atom/cpus"), capacities);
  const cpus = online.map((id): Cpu => {
    const directory = `system/cpu/cpu${id}/topology`;
    const siblings =
      set(`${directory}/core_cpus_list`) ?? set(`${directory}/thread_siblings_list`) ?? [];
    return {
      id,
      core: siblings[0] ?? id,
      // Some machines say -1 for what they do not know.
      package: Math.max(0, number(`${directory}/physical_package_id`) ?? 0),
      numaNode: nodes.get(id) ?? 0,
      kind: kindOf(id),
      capacity: capacities.get(id) ?? FULL_CAPACITY,
    };
  });
  return new Topology(cpus);
}

/** By the two kinds of performance counters that hybrid x86 has, else by capacity. */
function coreKinds(
  performance: CpuSet | undefined,
  efficiency: CpuSet | undefined,
  capacities: ReadonlyMap<number, number>,
): (cpu: number) => CoreKind | null {
  if (performance !== undefined && efficiency !== undefined) {
    const slow = new Set(efficiency);
    return (cpu) => (slow.has(cpu) ? "efficiency" : "performance");
  }
  const values = [...capacities.values()];
  const [most, least] = [Math.max(...values), Math.min(...values)];
  // Cores of one design differ by a few percent in what they are rated for.
  if (least > 0.8 * most) return () => null;
  return (cpu) => ((capacities.get(cpu) ?? most) > 0.8 * most ? "performance" : "efficiency");
}

function parseNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d+\s*$/.test(text) ? Number(text) : undefined;
}
