import { type DomainErrorCode, type ErrorFacts } from "../core/errors.js";
import { layOut } from "./cpu-layout.js";
import { type CpuRequest, type ExclusiveRequest } from "./cpu-request.js";
import { type CpuSet, formatCpuSet, sorted } from "./cpu-set.js";
import { type CpuSpace } from "./cpu-space.js";

/** Who sits where, for reading. */
export interface Occupancy<Holder extends string = string> {
  readonly space: CpuSpace;
  /** Usable CPUs that belong to nobody alone. */
  readonly sharedSet: CpuSet;
  /** Pinned workers, of every policy. */
  workersOn(cpu: number): number;
  exclusiveHolder(cpu: number): Holder | undefined;
  /** Workers that named this CPU: they cannot be moved. */
  namedBy(cpu: number): readonly Holder[];
  /** Those that share this CPU: they can. */
  sharedBy(cpu: number): readonly Holder[];
  /** Shared workers with several CPUs, and how many. */
  wideShared(): ReadonlyMap<Holder, number>;
}

/** One rule, and the CPUs that were left after it. */
export interface PlanStep {
  readonly rule: string;
  readonly cpus: CpuSet;
}

export interface Refusal<Holder extends string = string> {
  readonly code: Extract<
    DomainErrorCode,
    "invalid-field" | "cpu-unknown" | "cpus-exhausted" | "shared-set-would-be-empty"
  >;
  readonly message: string;
  /** For programs: what ErrorInfo.metadata carries. */
  readonly facts: ErrorFacts;
  /** Whose end would make room. */
  readonly blockers: readonly Holder[];
  /** It may fit later: when others have ended. */
  readonly isTemporary: boolean;
}

export type Plan<Holder extends string = string> = { readonly steps: readonly PlanStep[] } & (
  | {
      readonly kind: "fits";
      /** Null: not pinned. */
      readonly cpus: CpuSet | null;
      /** Shared workers that have to leave these CPUs. */
      readonly displaced: readonly Holder[];
    }
  | { readonly kind: "refused"; readonly refusal: Refusal<Holder> }
);

/** What a request would get now, and by which rules. Changes nothing. */
export function plan<Holder extends string>(
  occupancy: Occupancy<Holder>,
  request: CpuRequest,
): Plan<Holder> {
  const { space, sharedSet } = occupancy;
  const host = { rule: "CPUs of this host", cpus: hostCpus(space) };
  const usable = { rule: usableRule(space), cpus: space.usable };
  const shared = { rule: "exclusive to nobody", cpus: sharedSet };
  switch (request.kind) {
    case "none":
      return {
        kind: "fits",
        cpus: isRestricted(occupancy) ? sharedSet : null,
        displaced: [],
        steps: [host, usable, shared],
      };
    case "explicit":
      return planExplicit(occupancy, request.cpus, [host, usable, shared]);
    case "shared":
      return planShared(occupancy, request.count, [host, usable, shared]);
    case "exclusive":
      return planExclusive(occupancy, request, [host, usable, shared]);
  }
}

/** There are CPUs that a worker which is not pinned must stay off. */
export function isRestricted({ space, sharedSet }: Occupancy): boolean {
  return sharedSet.length > 0 && formatCpuSet(sharedSet) !== formatCpuSet(space.allowed);
}

/** The `count` CPUs of a set with the fewest workers, ties by number. */
export function leastLoaded(
  cpus: CpuSet,
  count: number,
  workersOn: (cpu: number) => number,
): CpuSet {
  const byLoad = [...cpus].sort((a, b) => workersOn(a) - workersOn(b) || a - b);
  return sorted(byLoad.slice(0, count));
}

function planExplicit<Holder extends string>(
  occupancy: Occupancy<Holder>,
  named: CpuSet,
  steps: readonly PlanStep[],
): Plan<Holder> {
  const { space } = occupancy;
  const unknown = named.find((cpu) => !space.usable.includes(cpu));
  if (unknown !== undefined) {
    const why = space.reserved.includes(unknown) ? "reserved" : "not here for workers";
    return refused(steps, {
      code: "cpu-unknown",
      message: `CPU ${unknown} is ${why}; workers may use: ${formatCpuSet(space.usable)}`,
      facts: { cpu: String(unknown) },
      blockers: [],
      isTemporary: false,
    });
  }
  const taken = named.filter((cpu) => occupancy.exclusiveHolder(cpu) !== undefined);
  if (taken.length > 0) {
    return refused(steps, {
      code: "cpus-exhausted",
      message: `CPUs ${formatCpuSet(taken)} belong to other workers alone`,
      facts: { missing: String(taken.length) },
      blockers: exclusiveHolders(occupancy, taken),
      isTemporary: true,
    });
  }
  return fits([...steps, { rule: "the ones that were named", cpus: named }], named, []);
}

function planShared<Holder extends string>(
  occupancy: Occupancy<Holder>,
  count: number,
  steps: readonly PlanStep[],
): Plan<Holder> {
  const { space, sharedSet } = occupancy;
  if (count > sharedSet.length) {
    const { usable } = space;
    const taken = usable.length - sharedSet.length;
    return refused(steps, {
      code: "cpus-exhausted",
      message: `${counted(count)} asked for, and workers may use ${usable.length} (${formatCpuSet(usable)})${taken === 0 ? "" : `, of which ${taken} are exclusive`}`,
      facts: { missing: String(count - sharedSet.length) },
      blockers: count <= usable.length ? exclusiveHolders(occupancy, usable) : [],
      isTemporary: count <= usable.length,
    });
  }
  const cpus = leastLoaded(sharedSet, count, (cpu) => occupancy.workersOn(cpu));
  return fits([...steps, { rule: "with the fewest workers", cpus }], cpus, []);
}

function planExclusive<Holder extends string>(
  occupancy: Occupancy<Holder>,
  request: ExclusiveRequest,
  steps: readonly PlanStep[],
): Plan<Holder> {
  const { space, sharedSet } = occupancy;
  const { topology, usable } = space;
  const { count, layout } = request;
  const workersOn = (cpu: number): number => occupancy.workersOn(cpu);
  if (layout === "full-core") {
    const everything = { topology, candidates: usable, count, workersOn };
    const siblings = wholeCores(space);
    if (layOut(layout, everything) === undefined && count <= usable.length) {
      return refused(steps, {
        code: "invalid-field",
        message: `No set of whole cores among CPUs ${formatCpuSet(usable)} has ${count} CPUs${siblings}`,
        facts: { field: "spec.cpus.count", value: String(count) },
        blockers: [],
        isTemporary: false,
      });
    }
  }
  const free = sharedSet.filter((cpu) => occupancy.namedBy(cpu).length === 0);
  const unnamed = { rule: "named by no worker", cpus: free };
  const wide = occupancy.wideShared();
  const kept = Math.max(space.minShared, ...wide.values());
  const room = Math.max(0, sharedSet.length - kept);
  const cpus = layOut(layout, { topology, candidates: free, count, workersOn });
  if (cpus !== undefined && count <= room) {
    const displaced = [...new Set(cpus.flatMap((cpu) => [...occupancy.sharedBy(cpu)]))];
    return fits([...steps, unnamed, { rule: LAYOUT_RULES[layout], cpus }], cpus, displaced);
  }
  const asked = `${counted(count)} asked for one process alone`;
  const largest = usable.length - space.minShared;
  const isTemporary = count <= largest;
  const blockers = [
    ...exclusiveHolders(occupancy, usable),
    ...sharedSet.flatMap((cpu) => [...occupancy.namedBy(cpu)]),
  ];
  if (cpus === undefined) {
    const lies = layout === "full-core" ? " in whole cores" : "";
    const never = isTemporary ? "" : `; never more than ${Math.max(0, largest)} can be given`;
    return refused([...steps, unnamed], {
      code: "cpus-exhausted",
      message: `${asked}${lies}, and ${free.length} of ${usable.length} (${formatCpuSet(usable)}) are free of workers that cannot be moved${never}`,
      facts: { missing: String(Math.max(1, count - free.length)) },
      blockers: isTemporary ? [...new Set(blockers)] : [],
      isTemporary,
    });
  }
  const wideNow = kept > space.minShared;
  const holders = [
    ...exclusiveHolders(occupancy, usable),
    ...[...wide].filter(([, width]) => wideNow && width === kept).map(([holder]) => holder),
  ];
  return refused([...steps, unnamed], {
    code: "shared-set-would-be-empty",
    message: `${asked}, and ${room} of ${usable.length} (${formatCpuSet(usable)}) can be given: ${kept} ${kept === 1 ? "stays" : "stay"} shared${wideNow ? ", for a worker that shares so many" : ""}`,
    facts: { missing: String(count - room) },
    blockers: isTemporary ? holders : [],
    isTemporary,
  });
}

const LAYOUT_RULES = {
  compact: "close together",
  spread: "far apart",
  "full-core": "whole cores",
} as const;

function fits<Holder extends string>(
  steps: readonly PlanStep[],
  cpus: CpuSet,
  displaced: readonly Holder[],
): Plan<Holder> {
  return { kind: "fits", cpus, displaced, steps };
}

function refused<Holder extends string>(
  steps: readonly PlanStep[],
  refusal: Refusal<Holder>,
): Plan<Holder> {
  return { kind: "refused", refusal, steps };
}

function exclusiveHolders<Holder extends string>(
  occupancy: Occupancy<Holder>,
  cpus: CpuSet,
): readonly Holder[] {
  const holders = new Set<Holder>();
  for (const cpu of cpus) {
    const holder = occupancy.exclusiveHolder(cpu);
    if (holder !== undefined) holders.add(holder);
  }
  return [...holders];
}

function hostCpus({ topology, usable, reserved }: CpuSpace): CpuSet {
  return sorted([...topology.cpus.map(({ id }) => id), ...usable, ...reserved]);
}

function usableRule({ reserved }: CpuSpace): string {
  return reserved.length === 0
    ? "workers may use them"
    : `workers may use them (${formatCpuSet(reserved)} reserved)`;
}

/** What is known of cores that are not whole, or larger than one CPU. */
function wholeCores({ topology, usable }: CpuSpace): string {
  const sizes = new Set<number>();
  let hasHalves = false;
  for (const core of new Set(usable.map((cpu) => topology.cpu(cpu).core))) {
    const siblings = topology.siblings(core);
    if (siblings.every((cpu) => usable.includes(cpu))) sizes.add(siblings.length);
    else hasHalves = true;
  }
  const whole = sizes.size === 0 ? "none is whole" : `they have ${[...sizes].join(" or ")} each`;
  return `: ${whole}${hasHalves && sizes.size > 0 ? ", and some are not whole" : ""}`;
}

function counted(count: number): string {
  return count === 1 ? "1 CPU was" : `${count} CPUs were`;
}
