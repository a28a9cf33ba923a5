import { type CpuSet, sorted } from "./cpu-set.js";

/** Of hosts that have cores of two kinds. */
export type CoreKind = "performance" | "efficiency";

/** One logical CPU. */
export interface Cpu {
  readonly id: number;
  /** The lowest number of the CPUs of its core, over all packages: those with the same one are SMT siblings. */
  readonly core: number;
  readonly package: number;
  readonly numaNode: number;
  /** Null where all cores are equal. */
  readonly kind: CoreKind | null;
  /** 1024 for the fastest. */
  readonly capacity: number;
}

export const FULL_CAPACITY = 1024;

/** The CPUs of a host and how they lie; a value. */
export class Topology {
  /** By number. */
  readonly cpus: readonly Cpu[];
  readonly #byId: ReadonlyMap<number, Cpu>;

  constructor(cpus: readonly Cpu[]) {
    this.cpus = [...cpus].sort((a, b) => a.id - b.id);
    this.#byId = new Map(this.cpus.map((cpu) => [cpu.id, cpu]));
  }

  /** One that nothing is known of is a core of its own. */
  cpu(id: number): Cpu {
    return this.#byId.get(id) ?? lone(id);
  }

  /** All CPUs of a core, also those that workers may not use. */
  siblings(core: number): CpuSet {
    const ids = this.cpus.filter((cpu) => cpu.core === core).map(({ id }) => id);
    return ids.length === 0 ? [core] : sorted(ids);
  }
}

/** Of CPUs whose place the kernel does not tell. */
export function flatTopology(ids: CpuSet): Topology {
  return new Topology(ids.map(lone));
}

function lone(id: number): Cpu {
  return { id, core: id, package: 0, numaNode: 0, kind: null, capacity: FULL_CAPACITY };
}
