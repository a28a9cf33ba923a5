import {
  CpuLayout,
  CpuPolicy,
  ExitCause,
  ExitSource,
  LostReason,
  OnExit,
  ProcessState,
  StartMethod,
  StdioMode,
  type ExitRecord,
  type LogPosition,
  type Process,
  type ProcessSpec,
  type ProcessStatus,
  type ResourceLimits,
  type ResourceUsage,
} from "../../proto/gen/forkbus/v1/process.js";
import { type LogOffset } from "../../proto/gen/forkbus/v1/types.js";
import { enumName } from "./enum-name.js";
import { rfc3339 } from "./instant.js";
import { given, type JsonValue } from "./json.js";
import { functionJson, resultJson, timingsJson } from "./payload-json.js";

/** A process with the field names of the API; what is not set is left out. */
export function processJson(process: Process): JsonValue {
  return {
    name: process.name,
    uid: process.uid,
    revision: process.revision,
    labels: process.labels,
    owner: process.owner,
    create_time: rfc3339(process.createTime),
    spec: process.spec && specJson(process.spec),
    status: process.status && statusJson(process.status),
  };
}

function specJson(spec: ProcessSpec): JsonValue {
  return {
    ...targetJson(spec.target),
    start_method: given(enumName(StartMethod, spec.startMethod)),
    template: given(spec.template),
    fork_from: given(spec.forkFrom),
    env: spec.env,
    working_dir: spec.workingDir,
    run_as: spec.runAs && { user: spec.runAs.user },
    umask: spec.umask,
    open_stdin: spec.openStdin,
    merge_stderr: spec.mergeStderr,
    stdout: given(enumName(StdioMode, spec.stdout)),
    stderr: given(enumName(StdioMode, spec.stderr)),
    log_retention: spec.logRetention && { max_bytes: spec.logRetention.maxBytes },
    cpus: spec.cpus && {
      policy: given(enumName(CpuPolicy, spec.cpus.policy)),
      count: spec.cpus.count === 0 ? undefined : spec.cpus.count,
      cpus: spec.cpus.cpus.length === 0 ? undefined : spec.cpus.cpus,
      layout: given(enumName(CpuLayout, spec.cpus.layout)),
      max_wait_ms: spec.cpus.maxWaitMs === 0 ? undefined : spec.cpus.maxWaitMs,
    },
    limits: spec.limits && limitsJson(spec.limits),
    stop: spec.stop && { signal: given(spec.stop.signal), grace_ms: spec.stop.graceMs },
    on_exit: given(enumName(OnExit, spec.onExit)),
  };
}

function targetJson(target: ProcessSpec["target"]): { readonly [name: string]: JsonValue } {
  switch (target?.$case) {
    case "exec":
      return { exec: { path: target.value.path, argv: target.value.argv } };
    case "python":
      return { python: functionJson(target.value) };
    case "node":
      return { node: functionJson(target.value) };
    case undefined:
      return {};
  }
}

/** Of the limits of the tree only those that there are. */
function limitsJson(limits: ResourceLimits): JsonValue {
  const some = <T extends bigint | number>(value: T): T | undefined =>
    value > 0 ? value : undefined;
  return {
    rlimits: limits.rlimits.map(({ resource, soft, hard }) => ({ resource, soft, hard })),
    memory_max_bytes: some(limits.memoryMaxBytes),
    memory_high_bytes: some(limits.memoryHighBytes),
    pids_max: some(limits.pidsMax),
    cpu_weight: some(limits.cpuWeight),
    cpu_max_milli: some(limits.cpuMaxMilli),
    best_effort: limits.bestEffort ? true : undefined,
  };
}

function statusJson(status: ProcessStatus): JsonValue {
  return {
    state: enumName(ProcessState, status.state),
    message: given(status.message),
    pid: status.pid,
    start_ticks: status.startTicks,
    boot_id: status.bootId,
    start_method: given(enumName(StartMethod, status.startMethod)),
    warm: status.warm ? true : undefined,
    template_generation: status.templateGeneration > 0n ? status.templateGeneration : undefined,
    cpus: status.cpus,
    assigned_cpus: status.assignedCpus.length > 0 ? status.assignedCpus : undefined,
    unenforced_limits: status.unenforcedLimits.length > 0 ? status.unenforcedLimits : undefined,
    cgroup: given(status.cgroup),
    serves_forks: status.servesForks ? true : undefined,
    start_time: rfc3339(status.startTime),
    start_timings: status.startTimings && timingsJson(status.startTimings),
    exit: status.exit && exitJson(status.exit),
    result: status.result && resultJson(status.result),
    stdout: status.stdout && positionJson(status.stdout),
    stderr: status.stderr && positionJson(status.stderr),
    descendants_alive: status.descendantsAlive,
  };
}

/** How a process ended. Exactly one of `exit_code`, `signal` and `lost` is there. */
export function exitJson(exit: ExitRecord): JsonValue {
  const outcome = exit.outcome;
  return {
    exit_code: outcome?.$case === "exitCode" ? outcome.value : undefined,
    signal:
      outcome?.$case === "signal"
        ? {
            number: outcome.value.number,
            name: outcome.value.name,
            core_dumped: outcome.value.coreDumped,
          }
        : undefined,
    lost:
      outcome?.$case === "lost"
        ? {
            reason: given(enumName(LostReason, outcome.value.reason)),
            message: given(outcome.value.message),
          }
        : undefined,
    succeeded: exit.succeeded,
    source: given(enumName(ExitSource, exit.source)),
    cause: given(enumName(ExitCause, exit.cause)),
    requested_by: given(exit.requestedBy),
    request_id: given(exit.requestId),
    start_time: rfc3339(exit.startTime),
    end_time: rfc3339(exit.endTime),
    usage: exit.usage && usageJson(exit.usage),
  };
}

function usageJson(usage: ResourceUsage): JsonValue {
  return {
    user_us: usage.userUs,
    system_us: usage.systemUs,
    max_rss_bytes: usage.maxRssBytes,
    minor_faults: usage.minorFaults,
    major_faults: usage.majorFaults,
    voluntary_switches: usage.voluntarySwitches,
    involuntary_switches: usage.involuntarySwitches,
  };
}

function positionJson(position: LogPosition): JsonValue {
  return {
    begin: position.begin && offsetJson(position.begin),
    end: position.end && offsetJson(position.end),
    closed: position.closed,
  };
}

export function offsetJson(offset: LogOffset): JsonValue {
  return { epoch: offset.epoch, offset: offset.offset };
}
