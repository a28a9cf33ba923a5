import * as proto from "../../../proto/gen/forkbus/v1/process.js";
import { invalidField } from "../../core/errors.js";
import { parseName } from "../../core/names.js";
import { sorted } from "../../cpus/cpu-set.js";
import { type CpuLayout, type CpuRequest } from "../../cpus/cpu-request.js";
import {
  DEFAULT_LOG_MAX_BYTES,
  DEFAULT_STOP,
  type OnExit,
  type ProcessSpec,
  type StdioMode,
  type StopPolicy,
} from "../../processes/process-spec.js";
import { parseSignal, signalName } from "../../processes/signals.js";
import {
  methodOf,
  type Origin,
  type Runtime,
  type StartMethod,
  type Target,
} from "../../processes/target.js";
import { isUnlimited, NO_LIMITS, type TreeLimits } from "../../processes/tree-limits.js";
import { argumentBytes, fromFunction, toFunction } from "./function-target.js";

/** With the defaults filled in; what can be wrong whatever the host is found by the domain. */
export function toSpec(spec: proto.ProcessSpec | undefined): ProcessSpec {
  if (spec?.target === undefined) {
    throw invalidField("spec.target", "", "spec.target is required: what to run");
  }
  const target = toTarget(spec, spec.target);
  return {
    target,
    env: spec.env,
    workingDir: spec.workingDir === "" ? (target.kind === "exec" ? "/" : null) : spec.workingDir,
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
    treeLimits: toTreeLimits(spec.limits),
    stop: { ...DEFAULT_STOP, ...toStopPolicy(spec.stop) },
    onExit: toOnExit(spec.onExit),
    stdout: toStdioMode("spec.stdout", spec.stdout),
    stderr: toStdioMode("spec.stderr", spec.stderr),
    mergeStderr: spec.mergeStderr,
  };
}

export function fromSpec(spec: ProcessSpec): proto.ProcessSpec {
  // Field by field: objects that begin as copies of others are slow to fill.
  const { target, startMethod, template, forkFrom } = fromTarget(spec.target);
  return {
    target,
    startMethod,
    template,
    forkFrom,
    env: spec.env,
    workingDir: spec.workingDir ?? "",
    runAs: spec.runAs === null ? undefined : { user: spec.runAs },
    umask: spec.umask,
    openStdin: spec.openStdin,
    logRetention: { maxBytes: BigInt(spec.logMaxBytes) },
    cpus: fromCpuRequest(spec.cpus),
    limits: fromLimits(spec),
    stop: { signal: signalName(spec.stop.signal), graceMs: spec.stop.graceMs },
    onExit: spec.onExit === "wait-tree" ? proto.OnExit.WAIT_TREE : proto.OnExit.KILL_TREE,
    stdout: fromStdioMode(spec.stdout),
    stderr: fromStdioMode(spec.stderr),
    mergeStderr: spec.mergeStderr,
  };
}

/** The bytes of its arguments. */
export function toArguments(spec: proto.ProcessSpec | undefined): Uint8Array {
  const target = spec?.target;
  return argumentBytes(target === undefined || target.$case === "exec" ? undefined : target.value);
}

function toTarget(
  spec: proto.ProcessSpec,
  target: NonNullable<proto.ProcessSpec["target"]>,
): Target {
  if (target.$case === "exec") {
    if (
      spec.startMethod > proto.StartMethod.SPAWN ||
      spec.template !== "" ||
      spec.forkFrom !== ""
    ) {
      throw invalidField(
        "spec.start_method",
        String(spec.startMethod),
        "A program is spawned: it has no start method, template or fork_from",
      );
    }
    const { path: given, argv } = target.value;
    const path = given === "" ? (argv[0] ?? "") : given;
    return { kind: "exec", path, argv: argv.length === 0 ? [path] : argv };
  }
  const origin = toOrigin(spec, target.$case);
  return { kind: target.$case, origin, ...toFunction(target.value) };
}

function toOrigin(
  { startMethod, template, forkFrom }: proto.ProcessSpec,
  runtime: Runtime,
): Origin {
  const { StartMethod } = proto;
  const from = template === "" ? runtime : parseName("spec.template", template);
  switch (startMethod) {
    case StartMethod.UNSPECIFIED:
      if (forkFrom === "") return { method: "forkserver", template: from };
      return toFork(template, forkFrom);
    case StartMethod.SPAWN:
    case StartMethod.FORKSERVER:
      if (forkFrom !== "") {
        throw invalidField(
          "spec.fork_from",
          forkFrom,
          "spec.fork_from goes with the start method FORK",
        );
      }
      return { method: startMethod === StartMethod.SPAWN ? "spawn" : "forkserver", template: from };
    case StartMethod.FORK:
      return toFork(template, forkFrom);
    case StartMethod.UNRECOGNIZED:
    default:
      throw unknownValue("spec.start_method", startMethod);
  }
}

function toFork(template: string, forkFrom: string): Origin {
  if (template !== "") {
    throw invalidField("spec.template", template, "What is forked from a process has no template");
  }
  if (forkFrom === "") {
    throw invalidField(
      "spec.fork_from",
      "",
      "The start method FORK needs spec.fork_from: a process",
    );
  }
  return { method: "fork", process: parseName("spec.fork_from", forkFrom) };
}

function fromTarget(
  target: Target,
): Pick<proto.ProcessSpec, "target" | "startMethod" | "template" | "forkFrom"> {
  const startMethod = START_METHODS[methodOf(target)];
  if (target.kind === "exec") {
    const value = { path: target.path, argv: [...target.argv] };
    return { target: { $case: "exec", value }, startMethod, template: "", forkFrom: "" };
  }
  const { origin } = target;
  return {
    target: { $case: target.kind, value: fromFunction(target) },
    startMethod,
    template: origin.method === "fork" ? "" : origin.template,
    forkFrom: origin.method === "fork" ? origin.process : "",
  };
}

export const START_METHODS = {
  spawn: proto.StartMethod.SPAWN,
  forkserver: proto.StartMethod.FORKSERVER,
  fork: proto.StartMethod.FORK,
} as const satisfies Record<StartMethod, proto.StartMethod>;

function toTreeLimits(limits: proto.ResourceLimits | undefined): TreeLimits {
  if (limits === undefined) return NO_LIMITS;
  const given = (value: number | bigint): number | null =>
    Number(value) === 0 ? null : Number(value);
  return {
    memoryMaxBytes: given(limits.memoryMaxBytes),
    memoryHighBytes: given(limits.memoryHighBytes),
    pidsMax: given(limits.pidsMax),
    cpuWeight: given(limits.cpuWeight),
    cpuMaxMilli: given(limits.cpuMaxMilli),
    bestEffort: limits.bestEffort,
  };
}

function fromLimits({ rlimits, treeLimits }: ProcessSpec): proto.ResourceLimits | undefined {
  if (rlimits.length === 0 && isUnlimited(treeLimits)) return undefined;
  return {
    rlimits: rlimits.map(({ resource, soft, hard }) => ({
      resource,
      soft: soft ?? undefined,
      hard: hard ?? undefined,
    })),
    memoryMaxBytes: BigInt(treeLimits.memoryMaxBytes ?? 0),
    memoryHighBytes: BigInt(treeLimits.memoryHighBytes ?? 0),
    pidsMax: treeLimits.pidsMax ?? 0,
    cpuWeight: treeLimits.cpuWeight ?? 0,
    cpuMaxMilli: treeLimits.cpuMaxMilli ?? 0,
    bestEffort: treeLimits.bestEffort,
  };
}

export function toStopPolicy(policy: proto.StopPolicy | undefined): Partial<StopPolicy> {
  return {
    ...(policy === undefined || policy.signal === "" ? {} : { signal: parseSignal(policy.signal) }),
    ...(policy?.graceMs === undefined ? {} : { graceMs: policy.graceMs }),
  };
}

export function toUser(runAs: proto.RunAs | undefined): string | null {
  if (runAs === undefined) return null;
  if (runAs.user !== "") return runAs.user;
  throw invalidField("spec.run_as.user", "", "spec.run_as names no user");
}

function toLogMaxBytes(retention: proto.LogRetention | undefined): number {
  if (retention === undefined || retention.maxBytes === 0n) return DEFAULT_LOG_MAX_BYTES;
  return Number(retention.maxBytes);
}

export function toCpuRequest(request: proto.CpuRequest | undefined): CpuRequest {
  const { CpuPolicy } = proto;
  const policy = request?.policy ?? CpuPolicy.UNSPECIFIED;
  switch (policy) {
    case CpuPolicy.UNSPECIFIED:
    case CpuPolicy.SHARED:
      return { kind: "shared", count: Math.max(1, request?.count ?? 0) };
    case CpuPolicy.EXCLUSIVE:
      return {
        kind: "exclusive",
        count: Math.max(1, request?.count ?? 0),
        layout: toLayout(request?.layout ?? proto.CpuLayout.UNSPECIFIED),
        maxWaitMs: request?.maxWaitMs ?? 0,
      };
    case CpuPolicy.EXPLICIT:
      return { kind: "explicit", cpus: sorted(request?.cpus ?? []) };
    case CpuPolicy.NONE:
      return { kind: "none" };
    case CpuPolicy.UNRECOGNIZED:
    default:
      throw unknownValue("spec.cpus.policy", policy);
  }
}

export function fromCpuRequest(request: CpuRequest): proto.CpuRequest {
  const { CpuPolicy } = proto;
  const unset = (policy: proto.CpuPolicy, count = 0, cpus: number[] = []): proto.CpuRequest => ({
    policy,
    count,
    cpus,
    layout: proto.CpuLayout.UNSPECIFIED,
    maxWaitMs: 0,
  });
  switch (request.kind) {
    case "shared":
      return unset(CpuPolicy.SHARED, request.count);
    case "exclusive":
      return {
        policy: CpuPolicy.EXCLUSIVE,
        count: request.count,
        cpus: [],
        layout: fromLayout(request.layout),
        maxWaitMs: request.maxWaitMs,
      };
    case "explicit":
      return unset(CpuPolicy.EXPLICIT, 0, [...request.cpus]);
    case "none":
      return unset(CpuPolicy.NONE);
  }
}

const LAYOUTS = {
  compact: proto.CpuLayout.COMPACT,
  spread: proto.CpuLayout.SPREAD,
  "full-core": proto.CpuLayout.FULL_CORE,
} as const satisfies Record<CpuLayout, proto.CpuLayout>;

export function fromLayout(layout: CpuLayout): proto.CpuLayout {
  return LAYOUTS[layout];
}

function toLayout(layout: proto.CpuLayout): CpuLayout {
  switch (layout) {
    case proto.CpuLayout.UNSPECIFIED:
    case proto.CpuLayout.COMPACT:
      return "compact";
    case proto.CpuLayout.SPREAD:
      return "spread";
    case proto.CpuLayout.FULL_CORE:
      return "full-core";
    case proto.CpuLayout.UNRECOGNIZED:
    default:
      throw unknownValue("spec.cpus.layout", layout);
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
