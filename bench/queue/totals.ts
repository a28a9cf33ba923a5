/** What consumers got together; equal to what was put when nothing was lost, doubled or cut. */
export interface Totals {
  readonly count: number;
  readonly bytes: number;
  /** Of all sequence numbers. */
  readonly sequences: number;
}

/** Of producers that put so many items of that size each. */
export function expectedTotals(size: number, itemsOfEach: readonly number[]): Totals {
  return addTotals(
    itemsOfEach.map((count) => ({
      count,
      bytes: count * size,
      sequences: (count * (count - 1)) / 2,
    })),
  );
}

export function addTotals(all: readonly Totals[]): Totals {
  const sum = (key: keyof Totals): number => all.reduce((total, each) => total + each[key], 0);
  return { count: sum("count"), bytes: sum("bytes"), sequences: sum("sequences") };
}
