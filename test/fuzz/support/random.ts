import { createHash } from "node:crypto";
import { pseudoRandom } from "../../integration/daemon/support/seeded.js";

/** Choices that can be made again: everything follows from what it was made from. */
export class Random {
  readonly #next: () => number;

  constructor(...from: readonly (string | number)[]) {
    const digest = createHash("sha256").update(JSON.stringify(from)).digest();
    this.#next = pseudoRandom(digest.readUInt32LE(0));
  }

  /** From 0 to one less than `below`. */
  below(below: number): number {
    return Math.floor(this.#next() * below);
  }

  chance(probability: number): boolean {
    return this.#next() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    const choice = choices[this.below(choices.length)];
    if (choice === undefined) throw new Error("There is nothing to choose from");
    return choice;
  }

  bytes(count: number): Buffer {
    const bytes = Buffer.alloc(count);
    for (let at = 0; at < count; at++) bytes[at] = this.below(256);
    return bytes;
  }
}
