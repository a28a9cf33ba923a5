import type { Contender } from "./contender.js";

export interface Rounds {
  /** Before the measured ones; their samples are thrown away. */
  readonly warmUp: number;
  readonly measured: number;
}

/**
 * The order of one round. Each takes each place equally often, and follows another one in odd rounds than in even
 * ones, so that nobody always runs in the wake of the same.
 */
export function orderOfRound<T>(contenders: readonly T[], round: number): readonly T[] {
  const places = contenders.length;
  const first = places === 0 ? 0 : Math.floor(round / 2) % places;
  const rotated = [...contenders.slice(first), ...contenders.slice(0, first)];
  return round % 2 === 0 ? rotated : rotated.reverse();
}

/** Lets all take turns, one after the other, round by round. Returns the samples of each, in the order of the rounds. */
export async function interleave(
  contenders: readonly Contender[],
  { warmUp, measured }: Rounds,
  onRound: (done: number, all: number) => void = () => undefined,
): Promise<ReadonlyMap<Contender, readonly number[]>> {
  const samples = new Map<Contender, number[]>(contenders.map((contender) => [contender, []]));
  for (let round = 0; round < warmUp + measured; round++) {
    for (const contender of orderOfRound(contenders, round)) {
      const taken = await contender.run();
      if (round >= warmUp) samples.get(contender)?.push(...taken);
    }
    onRound(round + 1, warmUp + measured);
  }
  return samples;
}
