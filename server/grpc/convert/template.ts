import * as proto from "../../../proto/gen/forkbus/v1/template.js";
import { Runtime as RuntimeValue } from "../../../proto/gen/forkbus/v1/types.js";
import { invalidField } from "../../core/errors.js";
import { formatProcessUid, parseProcessUid } from "../../core/ids.js";
import { parseName } from "../../core/names.js";
import { type InitCall } from "../../processes/fork-servers.js";
import { type Runtime } from "../../processes/target.js";
import { DEFAULT_PRELOAD_TIMEOUT_MS, type TemplateSpec } from "../../templates/template-spec.js";
import { type Phase, phaseOf } from "../../templates/template-state.js";
import { type Template } from "../../templates/template-table.js";
import { type TemplateFailure } from "../../templates/zygote-report.js";
import { argumentBytes, fromFunction, RUNTIMES, toFunction } from "./function-target.js";
import { toUser } from "./process-spec.js";
import { fromWallTime } from "./timestamp.js";

export function toTemplateSpec(spec: proto.TemplateSpec | undefined): TemplateSpec {
  if (spec === undefined) throw invalidField("spec", "", "spec is required");
  return {
    runtime: toRuntime(spec.runtime),
    interpreter: spec.interpreter === "" ? null : spec.interpreter,
    parent: spec.parent === "" ? null : parseName("spec.parent", spec.parent),
    preload: spec.preload,
    init: toInit(spec),
    env: spec.env,
    workingDir: spec.workingDir === "" ? null : spec.workingDir,
    runAs: toUser(spec.runAs),
    preloadTimeoutMs:
      spec.preloadTimeoutMs === 0 ? DEFAULT_PRELOAD_TIMEOUT_MS : spec.preloadTimeoutMs,
    warmWorkers: spec.warmWorkers,
    modulePath: [...spec.modulePath, ...(spec.init?.modulePath ?? [])],
    keepFds: spec.keepFds,
  };
}

export function fromTemplate(
  { record, state }: Template,
  warmWorkers: number,
  report: proto.ZygoteReport | undefined,
): proto.Template {
  const { spec } = record;
  const uid = parseProcessUid(record.uid);
  return {
    name: record.name,
    uid: uid === undefined ? record.uid : formatProcessUid(uid),
    revision: BigInt(record.revision),
    labels: { ...record.labels },
    spec: {
      runtime: RUNTIMES[spec.runtime],
      interpreter: spec.interpreter ?? "",
      parent: spec.parent ?? "",
      preload: [...spec.preload],
      init:
        spec.init === null
          ? undefined
          : fromFunction({ ...spec.init, modulePath: [], mainFile: null }, spec.init.data),
      env: { ...spec.env },
      workingDir: spec.workingDir ?? "",
      runAs: spec.runAs === null ? undefined : { user: spec.runAs },
      preloadTimeoutMs: spec.preloadTimeoutMs,
      warmWorkers: spec.warmWorkers,
      modulePath: [...spec.modulePath],
      keepFds: [...spec.keepFds],
    },
    status: {
      state: PHASES[phaseOf(state)],
      servingGeneration: BigInt(state.serving?.generation ?? state.fallback?.generation ?? 0),
      newestGeneration: BigInt(state.newest),
      failure: state.failure === null ? undefined : fromFailure(state.failure.failure),
      report,
      spawnFallback: state.fallback?.why ?? "",
      warmWorkers,
      zygoteRestarts: state.restarts,
    },
    createTime: fromWallTime(record.createTimeMs),
    owner: record.owner,
  };
}

const PHASES = {
  idle: proto.TemplateState.IDLE,
  starting: proto.TemplateState.STARTING,
  ready: proto.TemplateState.READY,
  failed: proto.TemplateState.FAILED,
} as const satisfies Record<Phase, proto.TemplateState>;

function fromFailure(failure: TemplateFailure): proto.TemplateFailure {
  const { module, exception, message, threads, openFiles, stderrTail } = failure;
  return {
    module,
    exception: exception === null ? undefined : { ...exception, payload: undefined },
    message,
    threads: [...threads],
    openFiles: [...openFiles],
    stderrTail,
  };
}

function toInit({ init }: proto.TemplateSpec): InitCall | null {
  if (init === undefined) return null;
  const called = toFunction(init);
  return {
    function: called.function,
    arguments: called.arguments,
    resultEncoding: called.resultEncoding,
    data: argumentBytes(init),
  };
}

function toRuntime(runtime: RuntimeValue): Runtime {
  switch (runtime) {
    case RuntimeValue.PYTHON:
      return "python";
    case RuntimeValue.NODE:
      return "node";
    case RuntimeValue.UNSPECIFIED:
    case RuntimeValue.UNRECOGNIZED:
    default:
      throw invalidField(
        "spec.runtime",
        String(runtime),
        "spec.runtime is required: PYTHON or NODE",
      );
  }
}
