import { type CpuLayout } from "./cpu-request.js";
import { type CpuSet, sorted } from "./cpu-set.js";
import { type Cpu, type Topology } from "./topology.js";

/** What a choice is made from. */
export interface LayoutChoice {
  readonly topology: Topology;
  /** CPUs that may be taken. */
  readonly candidates: CpuSet;
  readonly count: number;
  /** Workers that would have to leave: fewer is better, where all else is equal. */
  readonly workersOn: (cpu: number) => number;
}

/**
 * Chooses `count` CPUs that lie as asked for; undefined when there are none. Equal choices go to
 * performance cores, then to the CPUs with the fewest workers, then to the lowest numbers.
 */
export function layOut(layout: CpuLayout, choice: LayoutChoice): CpuSet | undefined {
  if (choice.count > choice.candidates.length) return undefined;
  switch (layout) {
    case "compact":
      return compact(choice);
    case "spread":
      return spread(choice);
    case "full-core":
      return fullCores(choice);
  }
}

type Group = readonly Cpu[];

/** The smallest part of the host that has room, then core by core in it. */
function compact(choice: LayoutChoice): CpuSet {
  const all = choice.candidates.map((id) => choice.topology.cpu(id));
  const levels = [coreOf, nodeOf, packageOf, (): string => ""];
  for (const level of levels) {
    const fitting = [...groups(all, level)].filter((group) => group.length >= choice.count);
    // The one that fits best leaves the larger ones whole.
    const best = least(fitting, (group) => [
      slowness(group, choice.count),
      load(choice, group),
      group.length,
      first(group),
    ]);
    if (best !== undefined) return sorted(coreByCore(choice, best).map(({ id }) => id));
  }
  return [];
}

function coreByCore(choice: LayoutChoice, within: Group): Group {
  const taken: Cpu[] = [];
  const left = new Set(groups(within, coreOf));
  while (taken.length < choice.count) {
    const missing = choice.count - taken.length;
    const next = least([...left], (core) => [
      slowness(core, 1),
      // Whole cores first; for what then remains, the core that it fits best.
      core.length > missing ? core.length - missing : -core.length,
      load(choice, core),
      first(core),
    ]);
    if (next === undefined) break;
    left.delete(next);
    taken.push(...byWorkers(choice, next).slice(0, missing));
  }
  return taken;
}

/** One by one, each as far from the others as can be. */
function spread(choice: LayoutChoice): CpuSet {
  const left = new Set(choice.candidates.map((id) => choice.topology.cpu(id)));
  const taken = new Map<string, number>();
  const count = (key: string): number => taken.get(key) ?? 0;
  const chosen: number[] = [];
  while (chosen.length < choice.count) {
    const next = least([...left], (cpu) => [
      count(coreOf(cpu)),
      slowness([cpu], 1),
      count(packageOf(cpu)),
      count(nodeOf(cpu)),
      choice.workersOn(cpu.id),
      cpu.id,
    ]);
    if (next === undefined) break;
    left.delete(next);
    chosen.push(next.id);
    for (const key of [coreOf(next), nodeOf(next), packageOf(next)]) taken.set(key, count(key) + 1);
  }
  return sorted(chosen);
}

/** Cores of which every sibling is free, as close together as can be. */
function fullCores(choice: LayoutChoice): CpuSet | undefined {
  const { topology, candidates } = choice;
  const free = new Set(candidates);
  const cores = [
    ...groups(
      candidates.map((id) => topology.cpu(id)),
      coreOf,
    ),
  ].filter((core) => topology.siblings(core[0]?.core ?? 0).every((id) => free.has(id)));
  for (const level of [nodeOf, packageOf, (): string => ""]) {
    const fitting: { readonly cores: readonly Group[]; readonly within: Group }[] = [];
    for (const within of groups(cores.flat(), level)) {
      const found = filling(choice, [...groups(within, coreOf)]);
      if (found !== undefined) fitting.push({ cores: found, within });
    }
    const best = least(fitting, (each) => [
      slowness(each.cores.flat(), choice.count),
      load(choice, each.cores.flat()),
      each.within.length,
      first(each.within),
    ]);
    if (best !== undefined) return sorted(best.cores.flat().map(({ id }) => id));
  }
  return undefined;
}

/** Cores that have `count` CPUs together, the preferred ones first; undefined when no cores have. */
function filling(choice: LayoutChoice, cores: readonly Group[]): readonly Group[] | undefined {
  const ordered = [...cores].sort((a, b) =>
    compare(
      [slowness(a, 1), load(choice, a), first(a)],
      [slowness(b, 1), load(choice, b), first(b)],
    ),
  );
  // How each number of CPUs can be reached: the core that was added last, and where from.
  const reached = new Map<number, { readonly core: Group; readonly from: number } | null>([
    [0, null],
  ]);
  for (const core of ordered) {
    for (const sum of [...reached.keys()].sort((a, b) => b - a)) {
      const next = sum + core.length;
      if (next <= choice.count && !reached.has(next)) reached.set(next, { core, from: sum });
    }
    if (reached.has(choice.count)) break;
  }
  if (!reached.has(choice.count)) return undefined;
  const found: Group[] = [];
  for (let step = reached.get(choice.count); step; step = reached.get(step.from)) {
    found.push(step.core);
  }
  return found;
}

function groups(cpus: Group, keyOf: (cpu: Cpu) => string): Iterable<Group> {
  const found = new Map<string, Cpu[]>();
  for (const cpu of cpus) {
    const key = keyOf(cpu);
    const group = found.get(key);
    if (group === undefined) found.set(key, [cpu]);
    else group.push(cpu);
  }
  return found.values();
}

function coreOf(cpu: Cpu): string {
  return `core ${cpu.core}`;
}

function nodeOf(cpu: Cpu): string {
  return `node ${cpu.package}/${cpu.numaNode}`;
}

function packageOf(cpu: Cpu): string {
  return `package ${cpu.package}`;
}

function byWorkers(choice: LayoutChoice, group: Group): Group {
  return [...group].sort((a, b) => choice.workersOn(a.id) - choice.workersOn(b.id) || a.id - b.id);
}

/** How many of the `count` best CPUs of a group are slow ones. */
function slowness(group: Group, count: number): number {
  return Math.max(0, count - group.filter(({ kind }) => kind !== "efficiency").length);
}

/** Workers on the `count` emptiest CPUs of a group. */
function load(choice: LayoutChoice, group: Group): number {
  return byWorkers(choice, group)
    .slice(0, choice.count)
    .reduce((sum, { id }) => sum + choice.workersOn(id), 0);
}

function first(group: Group): number {
  return Math.min(...group.map(({ id }) => id));
}

function least<T>(all: readonly T[], rank: (one: T) => readonly number[]): T | undefined {
  let best: { readonly one: T; readonly rank: readonly number[] } | undefined;
  for (const one of all) {
    const ranked = rank(one);
    if (best === undefined || compare(ranked, best.rank) < 0) best = { one, rank: ranked };
  }
  return best?.one;
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) {
    const difference = value - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
