import { DomainError, invalidField } from "../core/errors.js";

/** Limits for a whole tree, by cgroup v2. Null is no limit. */
export interface TreeLimits {
  readonly memoryMaxBytes: number | null;
  readonly memoryHighBytes: number | null;
  readonly pidsMax: number | null;
  /** 1 to 10 000. */
  readonly cpuWeight: number | null;
  /** Thousandths of one CPU. */
  readonly cpuMaxMilli: number | null;
  /** Those that nobody can enforce are left out, rather than failing the create. */
  readonly bestEffort: boolean;
}

export type Controller = "memory" | "pids" | "cpu";

export const NO_LIMITS: TreeLimits = {
  memoryMaxBytes: null,
  memoryHighBytes: null,
  pidsMax: null,
  cpuWeight: null,
  cpuMaxMilli: null,
  bestEffort: false,
};

export function isUnlimited(limits: TreeLimits): boolean {
  return Object.values(limits).every((limit) => limit === null || limit === false);
}

/** One limit as the kernel takes it. */
export interface LimitFile {
  /** The field of the API. */
  readonly field: string;
  readonly controller: Controller;
  /** Such as `memory.max=1048576`. */
  readonly setting: string;
}

const CPU_PERIOD_US = 100_000;

export function limitFiles(limits: TreeLimits): readonly LimitFile[] {
  const files: LimitFile[] = [];
  const add = (field: string, controller: Controller, file: string, value: number | null): void => {
    if (value !== null) files.push({ field, controller, setting: `${file}=${value}` });
  };
  add("memory_max_bytes", "memory", "memory.max", limits.memoryMaxBytes);
  add("memory_high_bytes", "memory", "memory.high", limits.memoryHighBytes);
  add("pids_max", "pids", "pids.max", limits.pidsMax);
  add("cpu_weight", "cpu", "cpu.weight", limits.cpuWeight);
  if (limits.cpuMaxMilli !== null) {
    const quota = Math.max(1000, (limits.cpuMaxMilli * CPU_PERIOD_US) / 1000);
    files.push({
      field: "cpu_max_milli",
      controller: "cpu",
      setting: `cpu.max=${quota} ${CPU_PERIOD_US}`,
    });
  }
  return files;
}

export function validateTreeLimits({
  cpuWeight,
  memoryMaxBytes,
  memoryHighBytes,
}: TreeLimits): void {
  if (cpuWeight !== null && cpuWeight > 10_000) {
    throw invalidField(
      "spec.limits.cpu_weight",
      String(cpuWeight),
      `spec.limits.cpu_weight is from 1 to 10000, got ${cpuWeight}`,
    );
  }
  for (const bytes of [memoryMaxBytes, memoryHighBytes]) {
    if (bytes === null || Number.isSafeInteger(bytes)) continue;
    throw invalidField("spec.limits", String(bytes), `A limit of ${bytes} bytes is no limit`);
  }
}

/** What the keeper is told to set, and what nobody can. */
export interface Enforceable {
  readonly settings: readonly string[];
  readonly unenforced: readonly string[];
}

/** DomainError `kernel-feature-missing` for a limit that cannot be enforced, unless it is a best effort. */
export function enforceable(
  limits: TreeLimits,
  enforces: (controller: Controller) => boolean,
): Enforceable {
  const files = limitFiles(limits);
  const missing = files.filter(({ controller }) => !enforces(controller));
  const [first] = missing;
  if (first !== undefined && !limits.bestEffort) {
    throw new DomainError(
      "kernel-feature-missing",
      `spec.limits.${first.field} needs the ${first.controller} controller of cgroup v2, which is not delegated to the keeper here; best_effort leaves such limits out`,
      { facts: { feature: `cgroup2 ${first.controller} controller` } },
    );
  }
  return {
    settings: files.filter(({ controller }) => enforces(controller)).map(({ setting }) => setting),
    unenforced: missing.map(({ field }) => field),
  };
}
