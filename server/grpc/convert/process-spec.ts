import * as proto from "../../../proto/gen/forkbus/v1/process.js";
import { invalidField } from "../../core/errors.js";
import { sorted } from "../../cpus/cpu-set.js";
import { type CpuRequest } from "../../cpus/cpu-ledger.js";
import {
  DEFAULT_LOG_MAX_BYTES,
  DEFAULT_STOP,
  type OnExit,
  type ProcessSpec,
  type StdioMode,
  type StopPolicy,
} from "../../processes/process-spec.js";
import { parseSignal, signalName } from "../../processes/signals.js";

/** With the defaults filled in; what can be wrong whatever the host is found by the domain. */
export function toSpec(spec: proto.ProcessSpec | undefined): ProcessSpec {
  const exec = spec?.target?.value;
  if (spec === undefined || exec === undefined) {
    throw invalidField("spec.target", "", "spec.target is required: what to run");
  }
  const path = exec.path === "" ? (exec.argv[0] ?? "") : exec.path;
  return {
    path,
    argv: exec.argv.length === 0 ? [path] : exec.argv,
    env: spec.env,
    workingDir: spec.workingDir === "" ? "/" : spec.workingDir,
    runAs: toUser(spec.runAs),
    umask: spec.umask ?? 0o022,
    openStdin: spec.openStdin,
    logMaxBytes: toLogMaxBytes(spec.logRetention),
    cpus: toCpuRequest(spec.cpus),
    rlimits: (spec.limits?.rlimits ?? []).map(({ resource, soft, hard }) => ({
      resource,
      soft: soft ?? null,
      hard: hard ?? null,
    })),
    stop: { ...DEFAULT_STOP, ...toStopPolicy(spec.stop) },
    onExit: toOnExit(spec.onExit),
    stdout: toStdioMode("spec.stdout", spec.stdout),
    stderr: toStdioMode("spec.stderr", spec.stderr),
    mergeStderr: spec.mergeStderr,
  };
}

export function fromSpec(spec: ProcessSpec): proto.ProcessSpec {
  return {
    target: { $case: "exec", value: { path: spec.path, argv: [...spec.argv] } },
    env: { ...spec.env },
    workingDir: spec.workingDir,
    runAs: spec.runAs === null ? undefined : { user: spec.runAs },
    umask: spec.umask,
    openStdin: spec.openStdin,
    logRetention: { maxBytes: BigInt(spec.logMaxBytes) },
    cpus: fromCpuRequest(spec.cpus),
    limits:
      spec.rlimits.length === 0
        ? undefined
        : {
            rlimits: spec.rlimits.map(({ resource, soft, hard }) => ({
              resource,
              soft: soft ?? undefined,
              hard: hard ?? undefined,
            })),
          },
    stop: { signal: signalName(spec.stop.signal), graceMs: spec.stop.graceMs },
    onExit: spec.onExit === "wait-tree" ? proto.OnExit.WAIT_TREE : proto.OnExit.KILL_TREE,
    stdout: fromStdioMode(spec.stdout),
    stderr: fromStdioMode(spec.stderr),
    mergeStderr: spec.mergeStderr,
  };
}

export function toStopPolicy(policy: proto.StopPolicy | undefined): Partial<StopPolicy> {
  return {
    ...(policy === undefined || policy.signal === "" ? {} : { signal: parseSignal(policy.signal) }),
    ...(policy?.graceMs === undefined ? {} : { graceMs: policy.graceMs }),
  };
}

function toUser(runAs: proto.RunAs | undefined): string | null {
  if (runAs === undefined) return null;
  if (runAs.user !== "") return runAs.user;
  throw invalidField("spec.run_as.user", "", "spec.run_as names no user");
}

function toLogMaxBytes(retention: proto.LogRetention | undefined): number {
  if (retention === undefined || retention.maxBytes === 0n) return DEFAULT_LOG_MAX_BYTES;
  return Number(retention.maxBytes);
}

function toCpuRequest(request: proto.CpuRequest | undefined): CpuRequest {
  const { CpuPolicy } = proto;
  const policy = request?.policy ?? CpuPolicy.UNSPECIFIED;
  switch (policy) {
    case CpuPolicy.UNSPECIFIED:
    case CpuPolicy.SHARED:
      return { kind: "shared", count: Math.max(1, request?.count ?? 0) };
    case CpuPolicy.EXPLICIT:
      return { kind: "explicit", cpus: sorted(request?.cpus ?? []) };
    case CpuPolicy.NONE:
      return { kind: "none" };
    case CpuPolicy.UNRECOGNIZED:
    default:
      throw unknownValue("spec.cpus.policy", policy);
  }
}

function fromCpuRequest(request: CpuRequest): proto.CpuRequest {
  const { CpuPolicy } = proto;
  switch (request.kind) {
    case "shared":
      return { policy: CpuPolicy.SHARED, count: request.count, cpus: [] };
    case "explicit":
      return { policy: CpuPolicy.EXPLICIT, count: 0, cpus: [...request.cpus] };
    case "none":
      return { policy: CpuPolicy.NONE, count: 0, cpus: [] };
  }
}

function toOnExit(onExit: proto.OnExit): OnExit {
  switch (onExit) {
    case proto.OnExit.UNSPECIFIED:
    case proto.OnExit.KILL_TREE:
      return "kill-tree";
    case proto.OnExit.WAIT_TREE:
      return "wait-tree";
    case proto.OnExit.UNRECOGNIZED:
    default:
      throw unknownValue("spec.on_exit", onExit);
  }
}

function toStdioMode(field: string, mode: proto.StdioMode): StdioMode {
  switch (mode) {
    case proto.StdioMode.UNSPECIFIED:
    case proto.StdioMode.FILE:
      return "file";
    case proto.StdioMode.NULL:
      return "null";
    case proto.StdioMode.UNRECOGNIZED:
    default:
      throw unknownValue(field, mode);
  }
}

function fromStdioMode(mode: StdioMode): proto.StdioMode {
  return mode === "null" ? proto.StdioMode.NULL : proto.StdioMode.FILE;
}

/** A value of a later version of the API. */
export function unknownValue(field: string, value: number): Error {
  return invalidField(field, String(value), `${field} has a value that this daemon does not know`);
}
