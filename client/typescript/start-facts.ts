import {
  StartMethod as StartMethodNumber,
  type StartTimings as StartTimingsMessage,
} from "../../proto/gen/forkbus/v1/process.js";

/** How a worker comes into being: a fresh program, forked from a template's zygote, or forked from a live worker. */
export type StartMethod = "spawn" | "forkserver" | "fork";

/** Parts of the time from the arrival of the create to the first line of the function, in order. */
export interface StartTimings {
  /** Validation, CPUs, and keeping the intent. */
  readonly admissionMs: number;
  /** Waiting for the fork server: it was loading, or had others to fork. */
  readonly pendingMs: number;
  /** From the daemon over the keeper to the fork server. */
  readonly hopMs: number;
  /** The system call; of a fresh program also the interpreter's start. */
  readonly forkMs: number;
  /** In the child: session, files, CPUs, limits, environment. */
  readonly specialiseMs: number;
  /** From there to the call of the function. */
  readonly firstLineMs: number;
  /** The sum of all these. */
  readonly totalMs: number;
}

const methodNumbers: Readonly<Record<StartMethod, StartMethodNumber>> = {
  spawn: StartMethodNumber.SPAWN,
  forkserver: StartMethodNumber.FORKSERVER,
  fork: StartMethodNumber.FORK,
};

const methods: Readonly<Record<number, StartMethod>> = {
  [StartMethodNumber.SPAWN]: "spawn",
  [StartMethodNumber.FORKSERVER]: "forkserver",
  [StartMethodNumber.FORK]: "fork",
};

export function methodNumber(method: StartMethod | undefined): StartMethodNumber {
  return method === undefined ? StartMethodNumber.UNSPECIFIED : methodNumbers[method];
}

/** Undefined where the daemon does not say, or says what this client does not know. */
export function parseMethod(method: StartMethodNumber | undefined): StartMethod | undefined {
  return methods[method ?? StartMethodNumber.UNSPECIFIED];
}

export function parseTimings(timings: StartTimingsMessage): StartTimings {
  const ms = (us: bigint): number => Number(us) / 1000;
  return {
    admissionMs: ms(timings.admissionUs),
    pendingMs: ms(timings.pendingUs),
    hopMs: ms(timings.hopUs),
    forkMs: ms(timings.forkUs),
    specialiseMs: ms(timings.specialiseUs),
    firstLineMs: ms(timings.firstLineUs),
    totalMs: ms(timings.totalUs),
  };
}
