import type { Contender, Title, Unit } from "./contender.js";
import type { Machine } from "./machine.js";
import { median, percentile } from "./statistics.js";

/** What one contender did. Null is what its kind of sample does not say. */
export interface Row extends Omit<Title, "unit"> {
  readonly p50_ms: number | null;
  readonly p99_ms: number | null;
  /** The median of the rounds. */
  readonly per_s: number | null;
  /** The median, in millions of bytes. */
  readonly mb: number | null;
  readonly n: number;
  readonly samples_unit: Unit;
  readonly samples: readonly number[];
}

/** Something that DESIGN promises, and whether this run kept it. */
export interface Target {
  readonly what: string;
  /** Where the value is in this report. */
  readonly field: string;
  readonly value: number;
  readonly goal: { readonly atLeast: number } | { readonly atMost: number };
  readonly met: boolean;
}

export interface Report {
  readonly name: string;
  readonly rows: readonly Row[];
  readonly floors: readonly Row[];
  readonly ratios: Readonly<Record<string, number>>;
  readonly targets: readonly Target[];
  /** One line for each contender that this machine cannot run. */
  readonly left_out: readonly string[];
  readonly quick: boolean;
  /** What was asked for with `--only`. */
  readonly only: readonly string[];
  readonly rounds: { readonly warm_up: number; readonly measured: number };
  readonly machine: Machine;
  readonly date: string;
  readonly commit: string | null;
}

export function rowOf(title: Title, samples: readonly number[]): Row {
  const { role, group, name, version, command, unit } = title;
  const isTime = unit === "ms";
  const middle = median(samples);
  return {
    ...{ role, group, name, version, command },
    p50_ms: isTime ? middle : null,
    p99_ms: isTime ? percentile(samples, 99) : null,
    per_s: unit === "per_s" ? middle : null,
    mb: unit === "mb" ? middle : null,
    n: samples.length,
    samples_unit: unit,
    samples: [...samples],
  };
}

/** Those that have a sample. */
export function rowsOf(samples: ReadonlyMap<Contender, readonly number[]>): readonly Row[] {
  const measured = [...samples].filter(([, taken]) => taken.length > 0);
  return measured.map(([contender, taken]) => rowOf(contender, taken));
}

/** What a row is compared by: its median time, rate or size. */
export function middleOf(row: Row): number {
  return row.p50_ms ?? row.per_s ?? row.mb ?? NaN;
}

/** The row of that name in that group; undefined when it was left out. */
export function findRow(rows: readonly Row[], group: string, name: string): Row | undefined {
  return rows.find((row) => row.group === group && row.name === name);
}

/** One middle value over the other, for those of the pairs that were both measured. */
export function ratiosOf(
  pairs: Readonly<Record<string, readonly [Row | undefined, Row | undefined]>>,
): Record<string, number> {
  const ratios: Record<string, number> = {};
  for (const [key, [row, by]] of Object.entries(pairs)) {
    if (row !== undefined && by !== undefined) ratios[key] = middleOf(row) / middleOf(by);
  }
  return ratios;
}

/** One target, or none when what it is about was left out. */
export function target(
  what: string,
  field: string,
  value: number | null | undefined,
  goal: Target["goal"],
): readonly Target[] {
  if (value === null || value === undefined) return [];
  const met = "atLeast" in goal ? value >= goal.atLeast : value <= goal.atMost;
  return [{ what, field, value, goal, met }];
}
