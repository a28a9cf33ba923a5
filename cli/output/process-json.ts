import {
  CpuPolicy,
  ExitCause,
  ExitSource,
  LostReason,
  OnExit,
  ProcessState,
  StdioMode,
  type ExitRecord,
  type LogPosition,
  type Process,
  type ProcessSpec,
  type ProcessStatus,
  type ResourceUsage,
} from "../../proto/gen/forkbus/v1/process.js";
import { type LogOffset } from "../../proto/gen/forkbus/v1/types.js";
import { enumName } from "./enum-name.js";
import { rfc3339 } from "./instant.js";
import { type JsonValue } from "./json.js";

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
    exec: spec.target && { path: spec.target.value.path, argv: spec.target.value.argv },
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
    },
    limits: spec.limits && {
      rlimits: spec.limits.rlimits.map(({ resource, soft, hard }) => ({
        resource,
        soft,
        hard,
      })),
    },
    stop: spec.stop && { signal: given(spec.stop.signal), grace_ms: spec.stop.graceMs },
    on_exit: given(enumName(OnExit, spec.onExit)),
  };
}

function statusJson(status: ProcessStatus): JsonValue {
  return {
    state: enumName(ProcessState, status.state),
    message: given(status.message),
    pid: status.pid,
    start_ticks: status.startTicks,
    boot_id: status.bootId,
    cpus: status.cpus,
    cgroup: given(status.cgroup),
    start_time: rfc3339(status.startTime),
    exit: status.exit && exitJson(status.exit),
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

/** The empty string is how the API says that there is nothing. */
function given(text: string): string | undefined {
  return text === "" ? undefined : text;
}
