/**
 * `forkbus` is what is measured, a `rival` does the same job, and a `floor` is the least that any program needs for it
 * on this machine: nobody can be better.
 */
export type Role = "forkbus" | "rival" | "floor";

/** What one sample is: how long one thing took, how many were done in a second, or how many millions of bytes it has. */
export type Unit = "ms" | "per_s" | "mb";

/** What a contender is called in tables and JSON. */
export interface Title {
  readonly role: Role;
  /** What is compared: contenders of one group do the same work. */
  readonly group: string;
  readonly name: string;
  readonly version: string;
  /** The program that does the work, for somebody who wants to do it by hand. */
  readonly command: string;
  readonly unit: Unit;
}

export interface Contender extends Title {
  /** Does one round of the work and returns its samples. Throws when the work was not done right. */
  readonly run: () => Promise<readonly number[]>;
}

/** Those whose group and name together have all the texts in them. */
export function only<T extends Title>(contenders: readonly T[], texts: readonly string[]): T[] {
  return contenders.filter(({ group, name }) =>
    texts.every((text) => `${group}: ${name}`.includes(text)),
  );
}
