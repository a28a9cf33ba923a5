import type { Process as ProcessMessage } from "../../proto/gen/forkbus/v1/process.js";
import { exitOf } from "./known-process.js";
import type { Payload } from "./payload.js";
import { parseException, WorkerError, WorkerExitError } from "./worker-error.js";

/**
 * What the function of a process that has ended returned. Throws WorkerError when it raised, WorkerExitError when the
 * worker ended otherwise.
 */
export function resultOf(process: ProcessMessage): Payload {
  const outcome = process.status?.result?.outcome;
  switch (outcome?.$case) {
    case "value":
      return outcome.value;
    case "exception":
      throw new WorkerError(process.name, parseException(outcome.value));
    case undefined:
      throw new WorkerExitError(process.name, exitOf(process));
  }
}

/** A program has an exit and output, and nothing that could be a result. */
export function refuseProgram(process: ProcessMessage): void {
  if (process.spec?.target?.$case !== "exec") return;
  throw new TypeError(
    `${process.name} runs a program, which has no result: join() and exit say how it ended`,
  );
}
