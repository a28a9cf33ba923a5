import {
  type Template,
  type TemplateFailure,
  type TemplateSpec,
  TemplateState,
  type TemplateStatus,
  type ZygoteReport,
} from "../../proto/gen/forkbus/v1/template.js";
import { Runtime } from "../../proto/gen/forkbus/v1/types.js";
import { enumName } from "./enum-name.js";
import { rfc3339 } from "./instant.js";
import { given, type JsonValue } from "./json.js";
import { exceptionJson, functionJson } from "./payload-json.js";

/** A template with the field names of the API; what is not set is left out. */
export function templateJson(template: Template): JsonValue {
  return {
    name: template.name,
    uid: template.uid,
    revision: template.revision,
    labels: template.labels,
    owner: template.owner,
    create_time: rfc3339(template.createTime),
    spec: template.spec && specJson(template.spec),
    status: template.status && statusJson(template.status),
  };
}

function specJson(spec: TemplateSpec): JsonValue {
  return {
    runtime: given(enumName(Runtime, spec.runtime)),
    interpreter: given(spec.interpreter),
    parent: given(spec.parent),
    preload: spec.preload,
    init: spec.init && functionJson(spec.init),
    env: spec.env,
    working_dir: given(spec.workingDir),
    run_as: spec.runAs && { user: spec.runAs.user },
    preload_timeout_ms: spec.preloadTimeoutMs,
    warm_workers: spec.warmWorkers,
    module_path: spec.modulePath,
    keep_fds: spec.keepFds,
  };
}

function statusJson(status: TemplateStatus): JsonValue {
  return {
    state: enumName(TemplateState, status.state),
    serving_generation: status.servingGeneration,
    newest_generation: status.newestGeneration,
    failure: status.failure && failureJson(status.failure),
    report: status.report && reportJson(status.report),
    spawn_fallback: given(status.spawnFallback),
    warm_workers: status.warmWorkers,
    zygote_restarts: status.zygoteRestarts,
  };
}

function failureJson(failure: TemplateFailure): JsonValue {
  return {
    module: given(failure.module),
    exception: failure.exception && exceptionJson(failure.exception),
    message: failure.message,
    threads: failure.threads,
    open_files: failure.openFiles,
    stderr_tail: given(failure.stderrTail),
  };
}

function reportJson(report: ZygoteReport): JsonValue {
  return {
    pid: report.pid,
    ready_time: rfc3339(report.readyTime),
    runtime_version: given(report.runtimeVersion),
    modules: report.modules.map(({ name, loadUs }) => ({ name, load_us: loadUs })),
    threads: report.threads,
    open_files: report.openFiles,
    rss_bytes: report.rssBytes,
    pss_bytes: report.pssBytes,
    forks: report.forks,
    stdout_tail: given(report.stdoutTail),
    stderr_tail: given(report.stderrTail),
  };
}
