import { writeSync } from "node:fs";
import { setEnding } from "./ending.js";
import { decodeArguments, encodeResult, resolveFunction, splitFunction } from "./function-call.js";
import { sayCalling } from "./link-messages.js";
import { prepare } from "./preparation.js";
import { type Program } from "./program.js";
import { writeOutcome } from "./result-file.js";
import { type WorkerSpecification } from "./specification.js";
import { describeThrown, printThrown } from "./thrown.js";

/** Node's own code for a program whose top level waits for what never comes. */
const UNSETTLED = 13;

/**
 * Calls the worker's target, and writes down what it returned or threw. Afterwards the process goes on for as long as
 * there is something in its event loop, like any program of Node's: a server that the target has started serves. Its
 * exit code is 0 after a result, unless it sets another; 1 after an exception, at once; 13 when the target waits for
 * what cannot come any more. What is thrown later, or elsewhere, and caught by nobody, takes the place of the result.
 */
export async function runWorker(
  specification: WorkerSpecification,
  program: Program,
): Promise<void> {
  let isDone = false;
  setEnding({
    uncaught: (thrown) => {
      writeOutcome({ kind: "exception", thrown: describeThrown(thrown) });
    },
    drained: () => {
      if (isDone || process.exitCode !== undefined) return;
      const message = `${specification.target.function} waits for what cannot come any more`;
      const thrown = { type: "UnsettledPromise", message, traceback: "" };
      writeOutcome({ kind: "exception", thrown });
      process.exitCode = UNSETTLED;
    },
    exit: () => undefined,
  });
  const { function: target, resultEncoding: encoding } = specification.target;
  process.argv.splice(1, process.argv.length, splitFunction(target)[0]);
  try {
    const value = encodeResult(encoding, await callTarget(specification, program));
    if (!writeOutcome({ kind: "value", encoding, value })) process.exit(1);
    isDone = true;
  } catch (thrown) {
    writeOutcome({ kind: "exception", thrown: describeThrown(thrown) });
    writeSync(2, `${printThrown(thrown)}\n`);
    process.exit(1);
  }
}

async function callTarget(
  specification: WorkerSpecification,
  { loader }: Program,
): Promise<unknown> {
  const { target, searchPath, arguments: bytes } = specification;
  await prepare(specification, loader);
  const call = await resolveFunction(loader, target.function, searchPath);
  const given = decodeArguments(target.encoding, bytes);
  sayCalling();
  return call(...given);
}
