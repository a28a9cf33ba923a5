import { z } from "zod";
import { answerCommands } from "../harness/answer-commands.js";

export const startsCommand = z.object({
  count: z.int().positive(),
  /** How many are under way at any moment. */
  inFlight: z.int().positive(),
});

/** One after the other, each is timed; more in flight, all together. */
export const startsAnswer = z.object({
  samples_ms: z.array(z.number()),
  elapsed_ms: z.number(),
});

/** Starts as many as are asked for. */
export async function timeStarts(
  { count, inFlight }: z.infer<typeof startsCommand>,
  startOne: () => Promise<void>,
): Promise<z.infer<typeof startsAnswer>> {
  const samples: number[] = [];
  let started = 0;
  const line = async (): Promise<void> => {
    while (started++ < count) {
      const began = performance.now();
      await startOne();
      samples.push(performance.now() - began);
    }
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: inFlight }, line));
  return { samples_ms: samples, elapsed_ms: performance.now() - began };
}

/** The driver of a contender that can start one program and wait for its status. */
export async function driveStarts(startOne: () => Promise<void>): Promise<void> {
  await answerCommands((asked) => timeStarts(startsCommand.parse(asked), startOne));
}
