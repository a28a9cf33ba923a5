import { writeSync } from "node:fs";
import { setEnding } from "./ending.js";
import { decodeArguments, encodeResult, resolveFunction } from "./function-call.js";
import { sayCalling } from "./link-messages.js";
import { baseOf } from "./module-loader.js";
import { type Program } from "./program.js";
import { writeOutcome } from "./result-file.js";
import { type WorkerSpecification } from "./specification.js";
import { describeThrown, printThrown } from "./thrown.js";

/**
 * Calls the worker's target, and writes down what it returned or threw. Afterwards the process goes on for as long as
 * there is something in its event loop, like any program of Node's: a server that the target has started serves. Its
 * exit code is 0 after a result, unless it sets another; 1 after an exception, at once. What is thrown later, or
 * elsewhere, and caught by nobody, takes the place of the result.
 */
export async function runWorker(
  { preload, init, target, searchPath, arguments: bytes }: WorkerSpecification,
  { loader }: Program,
): Promise<void> {
  setEnding({
    uncaught: (thrown) => {
      writeOutcome({ kind: "exception", thrown: describeThrown(thrown) });
    },
    exit: () => undefined,
  });
  try {
    for (const name of preload) await loader.load(name, baseOf(searchPath));
    if (init !== null) {
      const prepare = await resolveFunction(loader, init.function, searchPath);
      await prepare(...decodeArguments(init.encoding, init.data));
    }
    const call = await resolveFunction(loader, target.function, searchPath);
    const given = decodeArguments(target.encoding, bytes);
    sayCalling();
    const value = await call(...given);
    const encoding = target.resultEncoding;
    writeOutcome({ kind: "value", encoding, value: encodeResult(encoding, value) });
  } catch (thrown) {
    writeOutcome({ kind: "exception", thrown: describeThrown(thrown) });
    writeSync(2, `${printThrown(thrown)}\n`);
    process.exit(1);
  }
}
