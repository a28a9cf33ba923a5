import { type ProcessResult, type StartTimings } from "../../proto/gen/forkbus/v1/process.js";
import {
  type FunctionTarget,
  type Payload,
  type WorkerException,
} from "../../proto/gen/forkbus/v1/types.js";
import { bytesJson } from "./item-json.js";
import { given, type JsonValue } from "./json.js";

/** Bytes and their encoding; `text` when they are UTF-8, as JSON is, else `base64`. Absent where there are none. */
export function payloadJson(payload: Payload | undefined): JsonValue | undefined {
  if (payload === undefined || payload.data.length === 0) return undefined;
  return { encoding: given(payload.encoding), ...bytesJson(payload.data) };
}

export function functionJson(target: FunctionTarget): JsonValue {
  return {
    function: target.function,
    arguments: payloadJson(target.arguments),
    result_encoding: given(target.resultEncoding),
    module_path: target.modulePath.length === 0 ? undefined : target.modulePath,
    main_file: given(target.mainFile),
  };
}

export function exceptionJson(exception: WorkerException): JsonValue {
  return {
    type: exception.type,
    message: exception.message,
    traceback: given(exception.traceback),
    payload: payloadJson(exception.payload),
  };
}

/** Exactly one of `value` and `exception`. */
export function resultJson({ outcome, sizeBytes }: ProcessResult): JsonValue {
  return {
    value: outcome?.$case === "value" ? (payloadJson(outcome.value) ?? {}) : undefined,
    exception: outcome?.$case === "exception" ? exceptionJson(outcome.value) : undefined,
    size_bytes: sizeBytes,
  };
}

export function timingsJson(timings: StartTimings): JsonValue {
  return {
    admission_us: timings.admissionUs,
    pending_us: timings.pendingUs,
    hop_us: timings.hopUs,
    fork_us: timings.forkUs,
    specialise_us: timings.specialiseUs,
    first_line_us: timings.firstLineUs,
    total_us: timings.totalUs,
  };
}
