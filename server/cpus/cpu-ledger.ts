import { DomainError } from "../core/errors.js";
import { formatCpuSet, sorted, type CpuSet } from "./cpu-set.js";

/** What a process asks for. */
export type CpuRequest =
  | { readonly kind: "shared"; readonly count: number }
  | { readonly kind: "explicit"; readonly cpus: CpuSet }
  | { readonly kind: "none" };

/**
 * Who sits where: the only owner of CPU assignments. What it holds is derived from the placements
 * in the process records, which are kept, so that it survives the daemon with them.
 */
export class CpuLedger {
  readonly #usable: CpuSet;
  readonly #assignments = new Map<string, CpuSet>();
  readonly #load = new Map<number, number>();

  /** `usable`: the CPUs that workers may be placed on; not empty. */
  constructor(usable: CpuSet) {
    if (usable.length === 0) throw new RangeError("A CPU ledger needs at least one CPU");
    this.#usable = sorted(usable);
    for (const cpu of this.#usable) this.#load.set(cpu, 0);
  }

  get usable(): CpuSet {
    return this.#usable;
  }

  /**
   * Assigns CPUs to `holder` until `release`: for `shared` those with the fewest workers, ties by
   * number. Undefined means: do not pin.
   */
  assign(holder: string, request: CpuRequest): CpuSet | undefined {
    const cpus = this.#choose(request);
    if (cpus !== undefined) this.restore(holder, cpus);
    return cpus;
  }

  /** Enters a placement that was made before, by an earlier daemon perhaps with other usable CPUs. */
  restore(holder: string, cpus: CpuSet): void {
    this.release(holder);
    this.#assignments.set(holder, cpus);
    for (const cpu of cpus) this.#load.set(cpu, this.workersOn(cpu) + 1);
  }

  release(holder: string): void {
    const cpus = this.#assignments.get(holder);
    if (cpus === undefined) return;
    this.#assignments.delete(holder);
    for (const cpu of cpus) this.#load.set(cpu, this.workersOn(cpu) - 1);
  }

  workersOn(cpu: number): number {
    return this.#load.get(cpu) ?? 0;
  }

  #choose(request: CpuRequest): CpuSet | undefined {
    switch (request.kind) {
      case "none":
        return undefined;
      case "explicit":
        for (const cpu of request.cpus) this.#mustBeUsable(cpu);
        return request.cpus;
      case "shared":
        return this.#leastLoaded(request.count);
    }
  }

  #mustBeUsable(cpu: number): void {
    if (this.#usable.includes(cpu)) return;
    throw new DomainError(
      "cpu-unknown",
      `CPU ${cpu} is not among those that workers may use: ${formatCpuSet(this.#usable)}`,
      { facts: { cpu: String(cpu) } },
    );
  }

  #leastLoaded(count: number): CpuSet {
    if (count > this.#usable.length) {
      throw new DomainError(
        "cpus-exhausted",
        `${count} CPUs were asked for, and workers may use ${this.#usable.length}: ${formatCpuSet(this.#usable)}`,
        { facts: { missing: String(count - this.#usable.length) } },
      );
    }
    const byLoad = [...this.#usable].sort((a, b) => this.workersOn(a) - this.workersOn(b) || a - b);
    return sorted(byLoad.slice(0, count));
  }
}
