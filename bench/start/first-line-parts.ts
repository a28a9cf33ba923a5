import type { Contender, Title } from "../harness/contender.js";
import type { z } from "zod";
import type { firstLinesAnswer, Parts } from "./first-lines.js";

const names: readonly (readonly [keyof Parts, string])[] = [
  ["admissionMs", "admission"],
  ["pendingMs", "pending"],
  ["hopMs", "hop"],
  ["forkMs", "fork"],
  ["specialiseMs", "specialise"],
  ["firstLineMs", "first line"],
];

/** Where the time of first lines went, as the records of the processes say, and what is left for the way to the daemon. */
export class FirstLineParts {
  readonly #skipped: number;
  readonly #parts = new Map<string, number[]>();
  #seen = 0;

  /** The first `skipped` answers are those of the warm-up. */
  constructor(skipped: number) {
    this.#skipped = skipped;
  }

  add({ samples_ms, parts }: z.infer<typeof firstLinesAnswer>): void {
    if (this.#seen++ < this.#skipped) return;
    parts.forEach((each, index) => {
      const { totalMs } = each;
      this.#push("client and gRPC", (samples_ms[index] ?? NaN) - totalMs);
      for (const [field, name] of names) this.#push(name, each[field]);
    });
  }

  samples(name: string): readonly number[] {
    return this.#parts.get(name) ?? [];
  }

  /** One for each part; they have samples when those have run whose parts they are. */
  contenders(title: Omit<Title, "name" | "unit">): readonly Contender[] {
    return ["client and gRPC", ...names.map(([, name]) => name)].map((name) => ({
      ...{ ...title, name, unit: "ms" },
      run: () => Promise.resolve(this.samples(name)),
    }));
  }

  #push(name: string, ms: number): void {
    const before = this.#parts.get(name) ?? [];
    before.push(ms);
    this.#parts.set(name, before);
  }
}
