import { createHash } from "node:crypto";
import * as types from "../../../proto/gen/forkbus/v1/types.js";
import { type ProcessResult } from "../../processes/process-result.js";
import { type FunctionTarget, type PayloadSummary, type Runtime } from "../../processes/target.js";

/** Without where it comes from. */
export type CalledFunction = Pick<
  FunctionTarget,
  "function" | "arguments" | "resultEncoding" | "modulePath" | "mainFile"
>;

const NO_BYTES: Uint8Array = new Uint8Array();

export function toFunction(target: types.FunctionTarget): CalledFunction {
  const args = toPayload(target.arguments);
  return {
    function: target.function,
    arguments: args,
    resultEncoding: target.resultEncoding === "" ? args.encoding : target.resultEncoding,
    modulePath: target.modulePath,
    mainFile: target.mainFile === "" ? null : target.mainFile,
  };
}

/** The bytes are not part of what is kept: see `PayloadSummary`. */
export function argumentBytes(target: types.FunctionTarget | undefined): Uint8Array {
  return target?.arguments?.data ?? NO_BYTES;
}

/** `data`: the bytes of its arguments, where they are kept. */
export function fromFunction(target: CalledFunction, data = NO_BYTES): types.FunctionTarget {
  return {
    function: target.function,
    arguments: { encoding: target.arguments.encoding, data: Buffer.from(data) },
    resultEncoding: target.resultEncoding,
    modulePath: [...target.modulePath],
    mainFile: target.mainFile ?? "",
  };
}

/** Of an exception's message, in lists. */
const OUTLINED_CHARACTERS = 256;

/** `brief`: in lists, where it is only said how much there is. */
export function fromResult(result: ProcessResult, brief: boolean) {
  if (result.kind === "value") {
    const { encoding, data, sizeBytes } = result;
    return {
      outcome: {
        $case: "value",
        value: { encoding, data: brief ? Buffer.alloc(0) : Buffer.from(data) },
      },
      sizeBytes: BigInt(sizeBytes),
    } as const;
  }
  const { type, message, traceback, payload, sizeBytes } = result;
  return {
    outcome: {
      $case: "exception",
      value: {
        type: brief ? outlined(type) : type,
        message: brief ? outlined(message) : message,
        traceback: brief ? "" : traceback,
        payload:
          brief || payload === null
            ? undefined
            : { encoding: payload.encoding, data: Buffer.from(payload.data) },
      },
    },
    sizeBytes: BigInt(sizeBytes),
  } as const;
}

function outlined(text: string): string {
  return text.length <= OUTLINED_CHARACTERS ? text : `${text.slice(0, OUTLINED_CHARACTERS)}…`;
}

export const RUNTIMES = {
  python: types.Runtime.PYTHON,
  node: types.Runtime.NODE,
} as const satisfies Record<Runtime, types.Runtime>;

function toPayload(payload: types.Payload | undefined): PayloadSummary {
  const data = payload?.data ?? NO_BYTES;
  return {
    encoding: payload === undefined || payload.encoding === "" ? "json" : payload.encoding,
    bytes: data.length,
    digest: data.length === 0 ? "" : createHash("sha256").update(data).digest("hex"),
  };
}
