import { ftruncateSync, writeSync } from "node:fs";
import { RESULT } from "./descriptors.js";
import { type Thrown } from "./thrown.js";

const STDERR = 2;
const BRIEF = 256;

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

/** Writes it instead of what was written before. False where there is no room for it: then the file has only that, or nothing. */
export function writeOutcome(outcome: Outcome): boolean {
  try {
    put(encode(outcome));
    return true;
  } catch (error) {
    const why = `could not be written: ${error instanceof Error ? error.message : String(error)}`;
    tell(`forkbus: the result ${why}\n`);
    try {
      put(encode(inBrief(outcome, why)));
    } catch {
      // What is not finished counts as none.
    }
    return false;
  }
}

function put(bytes: Buffer): void {
  ftruncateSync(RESULT);
  for (let done = 0; done < bytes.length;) {
    done += writeSync(RESULT, bytes, done, bytes.length - done, done);
  }
}

/** What is left to say where there is hardly any room. */
function inBrief(outcome: Outcome, why: string): Outcome {
  const nothing = { exception: null, threads: [], openFiles: [] };
  switch (outcome.kind) {
    case "value": {
      const message = `What the function returned ${why}`;
      return { kind: "exception", thrown: { type: "ResultLost", message, traceback: "" } };
    }
    case "exception": {
      const { type, message } = outcome.thrown;
      const thrown = {
        type: type.slice(0, BRIEF),
        message: message.slice(0, BRIEF),
        traceback: "",
      };
      return { kind: "exception", thrown };
    }
    case "ready":
      return {
        kind: "failed",
        report: { ...nothing, module: "", message: `Its report ${why}` },
      };
    case "failed": {
      const { module, message } = outcome.report;
      return {
        kind: "failed",
        report: { ...nothing, module, message: message.slice(0, BRIEF) },
      };
    }
  }
}

function tell(text: string): void {
  try {
    writeSync(STDERR, text);
  } catch {
    // There is nobody else to tell.
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
