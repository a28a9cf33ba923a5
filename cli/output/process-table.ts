import { type Process, ProcessState } from "../../proto/gen/forkbus/v1/process.js";
import { shortExit } from "../exit-code.js";
import { enumName } from "./enum-name.js";
import { humanCpuList, humanDuration } from "./human.js";
import { instantMs } from "./instant.js";
import { type Style } from "./style.js";
import { type Column } from "./table.js";
import { commandAndMethod } from "./target-text.js";

/** The columns of `ps`. Ages are as of `nowMs`, milliseconds since 1970. */
export function processColumns(nowMs: number): readonly Column<Process>[] {
  return [
    { title: "NAME", text: (process) => process.name },
    { title: "STATE", text: stateText, style: stateStyle },
    { title: "PID", align: "right", text: pidText },
    { title: "CPUS", text: (process) => humanCpuList(process.status?.cpus ?? []) },
    { title: "AGE", align: "right", text: (process) => ageText(process, nowMs) },
    {
      title: "EXIT",
      text: (process) => shortExit(process.status?.exit),
      style: (process) => exitStyle(process),
    },
    { title: "COMMAND", text: commandAndMethod },
  ];
}

/** `running`; a worker that has ended and left descendants behind is `exited+`. */
export function stateText(process: Process): string {
  const state = enumName(ProcessState, process.status?.state ?? 0).toLowerCase();
  return process.status?.descendantsAlive === true ? `${state}+` : state;
}

function stateStyle(process: Process): Style | undefined {
  switch (process.status?.state) {
    case ProcessState.RUNNING:
      return "good";
    case ProcessState.STARTING:
    case ProcessState.STOPPING:
      return "warning";
    case ProcessState.LOST:
      return "bad";
    case ProcessState.EXITED:
    case ProcessState.UNSPECIFIED:
    case ProcessState.UNRECOGNIZED:
    case undefined:
      return undefined;
  }
}

function exitStyle(process: Process): Style | undefined {
  const exit = process.status?.exit;
  return exit === undefined || exit.succeeded ? undefined : "bad";
}

function pidText(process: Process): string {
  const status = process.status;
  return status === undefined || status.pid === 0 || status.exit !== undefined
    ? ""
    : status.pid.toString();
}

function ageText(process: Process, nowMs: number): string {
  const start = process.status?.startTime ?? process.createTime;
  return start === undefined ? "" : humanDuration(nowMs - instantMs(start));
}
