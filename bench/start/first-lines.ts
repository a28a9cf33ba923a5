import { z } from "zod";
import { answerCommands } from "../harness/answer-commands.js";
import { startsCommand, timeStarts } from "./starts.js";

const ms = z.number();

/** Where the time went from the arrival of the create at the daemon, in order, as in the record of the process. */
export const parts = z.object({
  admissionMs: ms,
  pendingMs: ms,
  hopMs: ms,
  forkMs: ms,
  specialiseMs: ms,
  firstLineMs: ms,
  totalMs: ms,
});

export type Parts = z.infer<typeof parts>;

/** How many workers are to call a function, one after the other. */
const firstLinesCommand = z.object({ firstLines: z.int().positive() });

export const firstLinesAnswer = z.object({
  samples_ms: z.array(ms),
  /** Of each sample, where somebody knows. */
  parts: z.array(parts).default([]),
});

export interface FirstLine {
  readonly tookMs: number;
  readonly parts?: Parts;
}

export interface FunctionStarts {
  /** Has a worker call a function, from the call of the API to the first line of the function. */
  readonly firstLine: () => Promise<FirstLine>;
  /** Starts a worker and waits for its status. */
  readonly startOne: () => Promise<void>;
}

/** The driver of a contender that has workers call functions. */
export async function driveFunctions({ firstLine, startOne }: FunctionStarts): Promise<void> {
  const command = z.union([firstLinesCommand, startsCommand]);
  await answerCommands(async (asked) => {
    const given = command.parse(asked);
    if (!("firstLines" in given)) return await timeStarts(given, startOne);
    const taken: FirstLine[] = [];
    for (let index = 0; index < given.firstLines; index++) taken.push(await firstLine());
    return {
      samples_ms: taken.map(({ tookMs }) => tookMs),
      parts: taken.flatMap((each) => each.parts ?? []),
    };
  });
}

/** Now, on the clock that the first lines of workers read: CLOCK_MONOTONIC. */
export function nowNs(): number {
  return Number(process.hrtime.bigint());
}
