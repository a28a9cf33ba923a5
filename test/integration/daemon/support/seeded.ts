/** Random numbers that can be had again: `FORKBUS_SEED` is what a failing run has printed. */
export function seeded(title: string): () => number {
  const seed = Number(process.env["FORKBUS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
  process.stdout.write(`    ${title}: FORKBUS_SEED=${seed}\n`);
  return pseudoRandom(seed);
}

/** Numbers from 0 to 1, the same ones for the same seed. */
export function pseudoRandom(seed: number): () => number {
  let state = seed >>> 0;
  // mulberry32
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
