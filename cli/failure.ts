import { ForkbusError } from "../client/typescript/errors.js";
import { inOptions } from "./field-options.js";
import { codeOfFailure, exitCode, type FailureCodes } from "./exit-code.js";
import { escapeText } from "./output/escape.js";
import { OutputClosed } from "./screen.js";
import { UsageError } from "./usage-error.js";

/** What to tell somebody about an error, and the code to exit with. */
export interface Failure {
  /** One line without `forkbus:` and newline; undefined when there is nobody to tell. */
  readonly sentence: string | undefined;
  readonly code: number;
  /** Whether it is a fault of this program, whose stack is worth reading. */
  readonly isFault: boolean;
}

export function failureOf(error: unknown, codes: FailureCodes): Failure {
  if (error instanceof OutputClosed) {
    return { sentence: undefined, code: exitCode.brokenPipe, isFault: false };
  }
  if (error instanceof UsageError) {
    const code = codes === "worker" ? exitCode.notTheWorker : exitCode.usage;
    return { sentence: escapeText(error.message), code, isFault: false };
  }
  if (error instanceof ForkbusError) {
    const isOfField = error.metadata["field"] !== undefined;
    return {
      sentence: escapeText(isOfField ? inOptions(error.message) : error.message),
      code: codeOfFailure(error, codes),
      isFault: false,
    };
  }
  const message = error instanceof Error ? error.message : String(error);
  return {
    sentence: escapeText(message),
    code: codes === "worker" ? exitCode.notTheWorker : exitCode.failed,
    isFault: true,
  };
}
