import {
  CpuPolicy,
  ExitCause,
  type LogPosition,
  type Process,
  type ResourceLimits,
  type ResourceUsage,
} from "../../proto/gen/forkbus/v1/process.js";
import { describeExit } from "../exit-code.js";
import { enumName } from "./enum-name.js";
import { humanBytes, humanCpuList, humanDuration } from "./human.js";
import { type Instant, instantMs, localTime } from "./instant.js";
import { functionFields, methodFields, resultFields } from "./function-fields.js";
import { stateText } from "./process-table.js";
import { type Field } from "./table.js";
import { commandText } from "./target-text.js";

/** A process for people: names and values, without those that say nothing. */
export function processFields(process: Process): readonly Field[] {
  const { spec, status } = process;
  const exit = status?.exit;
  const all: readonly Field[] = [
    ["Name", process.name],
    ["Uid", process.uid],
    ["Owner", process.owner],
    ["Labels", pairs(process.labels)],
    ["State", stateText(process)],
    ["Message", status?.message ?? ""],
    [process.spec?.target?.$case === "exec" ? "Command" : "Function", commandText(process)],
    ...methodFields(process),
    ...functionFields(process),
    ["Directory", spec?.workingDir ?? ""],
    ["User", spec?.runAs?.user ?? ""],
    ["Environment", Object.keys(spec?.env ?? {}).join(" ")],
    ["Pid", status === undefined || status.pid === 0 ? "" : status.pid.toString()],
    ["CPUs", cpusText(process)],
    ["Cgroup", status?.cgroup ?? ""],
    ["Limits", limitsText(process)],
    ["Created", timeText(process.createTime)],
    ["Started", timeText(status?.startTime)],
    ["Ended", timeText(exit?.endTime)],
    ["Ran for", ranFor(exit?.startTime ?? status?.startTime, exit?.endTime)],
    ["Exit", exit === undefined ? "" : describeExit(exit)],
    ["Cause", causeText(process)],
    ...resultFields(process),
    ["Used", exit?.usage === undefined ? "" : usageText(exit.usage)],
    ["Stdout", positionText(status?.stdout)],
    ["Stderr", spec?.mergeStderr === true ? "merged into stdout" : positionText(status?.stderr)],
  ];
  return all.filter(([, value]) => value !== "");
}

function pairs(map: Readonly<Record<string, string>>): string {
  return Object.entries(map)
    .map(([key, value]) => `${key}=${value}`)
    .join(" ");
}

function cpusText(process: Process): string {
  const cpus = humanCpuList(process.status?.cpus ?? []);
  const policy = enumName(CpuPolicy, process.spec?.cpus?.policy ?? 0).toLowerCase();
  if (policy === "none" && (process.status?.assignedCpus ?? []).length === 0)
    return cpus === "" ? "not pinned" : `${cpus} (not pinned)`;
  const text = policy === "" || cpus === "" ? cpus : `${cpus} (${policy})`;
  const place = humanCpuList(process.status?.assignedCpus ?? []);
  const isAlive = process.status?.exit === undefined;
  return isAlive && place !== "" && cpus !== "" && place !== cpus
    ? `${text}, and its place is ${place}: somebody else has moved it`
    : text;
}

function limitsText({ spec, status }: Process): string {
  const limits = spec?.limits;
  if (limits === undefined) return "";
  const rlimits = limits.rlimits.map(({ resource, soft, hard }) => {
    const name = resource.replace(/^RLIMIT_/, "").toLowerCase();
    return `${name}=${soft ?? "unlimited"}:${hard ?? "unlimited"}`;
  });
  const missing = new Set(status?.unenforcedLimits);
  const tree = treeLimits(limits).map(
    ([field, text]) => `${text}${missing.has(field) ? " (not enforced)" : ""}`,
  );
  return [...tree, ...rlimits].join(" ");
}

/** Those that there are: the name of the field, and the option that asks for it. */
function treeLimits(limits: ResourceLimits): readonly Field[] {
  const all: readonly (readonly [string, boolean, string])[] = [
    [
      "memory_max_bytes",
      limits.memoryMaxBytes > 0n,
      `memory-max=${humanBytes(limits.memoryMaxBytes)}`,
    ],
    [
      "memory_high_bytes",
      limits.memoryHighBytes > 0n,
      `memory-high=${humanBytes(limits.memoryHighBytes)}`,
    ],
    ["pids_max", limits.pidsMax > 0, `pids-max=${limits.pidsMax}`],
    ["cpu_weight", limits.cpuWeight > 0, `cpu-weight=${limits.cpuWeight}`],
    ["cpu_max_milli", limits.cpuMaxMilli > 0, `cpu-max=${limits.cpuMaxMilli / 1000}`],
  ];
  return all.filter(([, isGiven]) => isGiven).map(([field, , text]) => [field, text]);
}

function causeText(process: Process): string {
  const exit = process.status?.exit;
  if (exit === undefined) return "";
  const by = exit.requestedBy === "" ? "" : ` by ${exit.requestedBy}`;
  switch (exit.cause) {
    case ExitCause.SELF:
      return "it ended by itself";
    case ExitCause.SIGNAL_REQUESTED:
      return `a signal was sent${by}`;
    case ExitCause.STOP_REQUESTED:
      return `it was stopped${by}`;
    case ExitCause.UNSPECIFIED:
    case ExitCause.UNRECOGNIZED:
      return "not known";
  }
}

function usageText(usage: ResourceUsage): string {
  const user = humanDuration(Number(usage.userUs) / 1000);
  const system = humanDuration(Number(usage.systemUs) / 1000);
  return `CPU ${user} user, ${system} system; memory at most ${humanBytes(usage.maxRssBytes)}`;
}

function positionText(position: LogPosition | undefined): string {
  if (position?.end === undefined) return "";
  const written = humanBytes(position.end.offset);
  const dropped = position.begin?.offset ?? 0n;
  return `${written} written${dropped > 0n ? `, ${humanBytes(dropped)} of it dropped` : ""}`;
}

function timeText(instant: Instant | undefined): string {
  return instant === undefined ? "" : localTime(instant);
}

function ranFor(start: Instant | undefined, end: Instant | undefined): string {
  return start === undefined || end === undefined
    ? ""
    : humanDuration(instantMs(end) - instantMs(start));
}
