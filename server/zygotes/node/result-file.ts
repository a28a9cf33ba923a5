import { ftruncateSync, writeSync } from "node:fs";
import { RESULT } from "./descriptors.js";
import { type Thrown } from "./thrown.js";

/** What a process has to say at its end: docs/FORK-SERVERS.md, "The result file". */
export type Outcome =
  | { readonly kind: "value"; readonly encoding: string; readonly value: Buffer }
  | { readonly kind: "exception"; readonly thrown: Thrown }
  | { readonly kind: "ready"; readonly report: ReadyReport }
  | { readonly kind: "failed"; readonly report: FailedReport };

export interface ReadyReport {
  readonly runtime: string;
  readonly modules: readonly LoadedModule[];
  readonly threads: readonly string[];
  readonly openFiles: readonly string[];
  readonly canFork: boolean;
  readonly why: string;
}

export interface LoadedModule {
  readonly name: string;
  readonly loadUs: number;
}

export interface FailedReport {
  readonly module: string;
  readonly exception: Thrown | null;
  readonly message: string;
  readonly threads: readonly string[];
  readonly openFiles: readonly string[];
}

/** Writes it instead of what was written before. */
export function writeOutcome(outcome: Outcome): void {
  const bytes = encode(outcome);
  ftruncateSync(RESULT);
  for (let done = 0; done < bytes.length;) {
    done += writeSync(RESULT, bytes, done, bytes.length - done, done);
  }
}

function encode(outcome: Outcome): Buffer {
  switch (outcome.kind) {
    case "value": {
      const { kind, encoding, value } = outcome;
      return Buffer.concat([line({ kind, encoding, bytes: value.length }), value]);
    }
    case "exception":
      return line({ kind: outcome.kind, ...outcome.thrown, encoding: "", bytes: 0 });
    case "ready":
    case "failed":
      return line({ kind: outcome.kind, ...outcome.report, bytes: 0 });
  }
}

function line(value: object): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}
