import { createRequire } from "node:module";
import { nativeFile } from "../../kernel/native-files.js";

/** A packet of the link; without bytes it is the link's end. */
export interface Packet {
  readonly bytes: Buffer;
  readonly files: readonly number[];
}

/** What server/native/zygote-addon does. Numbers below zero are errnos, negated. */
export interface ZygoteAddon {
  /** Why this process cannot be forked; empty when it can. To be asked before the first fork. */
  unfit(): string;
  /** Waits, with everything else in this process. */
  receive(socket: number): Packet | number;
  /** For the order that was received last, into a cgroup or -1: 0 in the child, which has said so, its link descriptor 3. */
  forkWorker(link: number, leaf: number, id: Buffer, allowedThreads: number): number;
  /** 0 in an ordinary child. */
  forkChild(): number;
  /** The exit code, or 128 and the signal. */
  waitFor(child: number, timeoutMs: number): number;
  /** Whether SIGTERM and its like end the process whatever handlers it has. */
  awaitSignals(byDefault: boolean): void;
  /** Gives a descriptor another number. */
  move(from: number, to: number, closeOnExec: boolean): number;
  setCpus(cpus: readonly number[]): number;
  setLimit(resource: number, soft: bigint, hard: bigint): number;
  processId(): number;
  /** How many threads it has made itself. */
  platformThreads(): number;
  /** With this code Node's own way out ends, once its last listener has run. */
  exitWith(code: number): void;
  exitNow(code: number): never;
}

const FUNCTIONS = [
  "unfit",
  "receive",
  "forkWorker",
  "forkChild",
  "waitFor",
  "awaitSignals",
  "move",
  "setCpus",
  "setLimit",
  "processId",
  "platformThreads",
  "exitWith",
  "exitNow",
] as const satisfies readonly (keyof ZygoteAddon)[];

let loaded: ZygoteAddon | undefined;

/**
 * The addon for the version of Node that runs this, loaded at its first use. Throws one sentence that says why there
 * is none.
 */
export function zygoteAddon(): ZygoteAddon {
  if (loaded !== undefined) return loaded;
  const { node, modules } = process.versions;
  let path: string;
  try {
    path = nativeFile(`forkbus-zygote-${modules}.node`);
  } catch (error) {
    throw new Error(`Node ${node} cannot be forked: ${messageOf(error)}`, { cause: error });
  }
  let addon: unknown;
  try {
    addon = createRequire(import.meta.url)(path);
  } catch (error) {
    throw new Error(`Node ${node} cannot load ${path}: ${messageOf(error)}`, { cause: error });
  }
  if (!isZygoteAddon(addon)) throw new Error(`${path} is of another version of forkbus`);
  const why = addon.unfit();
  if (why !== "") throw new Error(`Node ${node} cannot be forked: ${why}`);
  loaded = addon;
  return addon;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function isZygoteAddon(addon: unknown): addon is ZygoteAddon {
  return (
    typeof addon === "object" &&
    addon !== null &&
    FUNCTIONS.every((name) => typeof Reflect.get(addon, name) === "function")
  );
}
