import {
  type Template,
  type TemplateFailure,
  TemplateState,
  type ZygoteReport,
} from "../../proto/gen/forkbus/v1/template.js";
import { Runtime } from "../../proto/gen/forkbus/v1/types.js";
import { raisedText } from "../function-result.js";
import { enumName } from "./enum-name.js";
import { humanBytes, humanDuration, plural } from "./human.js";
import { localTime } from "./instant.js";
import { type Style } from "./style.js";
import { type Column, type Field, type Paint, renderBlock, renderTable } from "./table.js";

/** The columns of `template ls`. */
export const templateColumns: readonly Column<Template>[] = [
  { title: "NAME", text: (template) => template.name },
  { title: "RUNTIME", text: runtimeText },
  { title: "STATE", text: stateText, style: stateStyle },
  { title: "GENERATION", align: "right", text: generationText },
  { title: "WARM", align: "right", text: warmText },
  {
    title: "RESTARTS",
    align: "right",
    text: ({ status }) => `${status?.zygoteRestarts ?? 0}`,
  },
  { title: "PARENT", text: ({ spec }) => spec?.parent ?? "" },
  { title: "PRELOAD", text: ({ spec }) => (spec?.preload ?? []).join(" ") },
];

/** A template for people: names and values, without those that say nothing. */
export function templateFields(template: Template): readonly Field[] {
  const { spec, status } = template;
  const all: readonly Field[] = [
    ["Name", template.name],
    ["Uid", template.uid],
    ["Owner", template.owner],
    ["Labels", pairs(template.labels)],
    ["Created", template.createTime === undefined ? "" : localTime(template.createTime)],
    ["State", stateText(template)],
    ["Generation", generationText(template)],
    ["Runtime", runtimeText(template)],
    ["Interpreter", spec?.interpreter ?? ""],
    ["Parent", spec?.parent ?? ""],
    ["Preload", (spec?.preload ?? []).join(" ")],
    ["Init", spec?.init?.function ?? ""],
    ["Searched", (spec?.modulePath ?? []).join(" ")],
    ["Environment", Object.keys(spec?.env ?? {}).join(" ")],
    ["Directory", spec?.workingDir ?? ""],
    ["User", spec?.runAs?.user ?? ""],
    ["May keep open", (spec?.keepFds ?? []).join(" ")],
    ["Warm", warmSentence(template)],
    ["Restarts", (status?.zygoteRestarts ?? 0) > 0 ? `${status?.zygoteRestarts ?? 0}` : ""],
    ["Spawned", status?.spawnFallback ?? ""],
    ...(status?.report === undefined ? [] : reportFields(status.report)),
    ...(status?.failure === undefined ? [] : failureFields(status.failure)),
  ];
  return all.filter(([, value]) => value !== "");
}

/** What stands below the fields: load times, tracebacks, and what was written. */
export function renderTemplateDetails({ status }: Template, paint: Paint): string {
  return [
    status?.report === undefined ? "" : renderModules(status.report, paint),
    renderBlock("Zygote's stdout", status?.report?.stdoutTail ?? "", paint),
    renderBlock("Zygote's stderr", status?.report?.stderrTail ?? "", paint),
    status?.failure === undefined ? "" : renderFailure(status.failure, paint),
  ].join("");
}

/** Preloads in the order of loading, with their times; nothing when there are none. */
export function renderModules({ modules }: ZygoteReport, paint: Paint): string {
  if (modules.length === 0) return "";
  const columns: readonly Column<(typeof modules)[number]>[] = [
    { title: "MODULE", text: ({ name }) => name },
    { title: "LOADED IN", align: "right", text: ({ loadUs }) => `${(loadUs / 1000).toFixed(1)}ms` },
  ];
  return renderTable(columns, modules, paint);
}

/** What a zygote that could not be made left behind: the traceback, and the end of its stderr. */
export function renderFailure(failure: TemplateFailure, paint: Paint): string {
  const traceback = failure.exception?.traceback ?? "";
  return (
    renderBlock("Traceback", traceback, paint) +
    // Which has the traceback, where there is one.
    (traceback === "" ? renderBlock("Its stderr", failure.stderrTail, paint) : "")
  );
}

function reportFields(report: ZygoteReport): readonly Field[] {
  const { pid, runtimeVersion, readyTime, rssBytes, pssBytes, forks, threads, openFiles } = report;
  const memory = `${humanBytes(rssBytes)}; ${humanBytes(pssBytes)} with shared pages counted by their share`;
  return [
    ["Zygote", `${pid === 0 ? "none" : `pid ${pid}`}, version ${runtimeVersion}`],
    ["Ready since", readyTime === undefined ? "" : localTime(readyTime)],
    ["Forks", pid === 0 ? "" : plural(forks, "worker")],
    ["Memory", rssBytes === 0n ? "" : memory],
    ["Threads", threads.length > 1 ? threads.join(" ") : ""],
    ["Open files", openFiles.join(" ")],
  ];
}

function failureFields(failure: TemplateFailure): readonly Field[] {
  return [
    ["Failure", failure.message],
    ["Failed in", failure.module],
    ["Raised", failure.exception === undefined ? "" : raisedText(failure.exception)],
    ["Left threads", failure.threads.join(" ")],
    ["Left open", failure.openFiles.join(" ")],
  ];
}

/** `ready`; `ready, spawns` where it cannot be forked; `ready, newest failed` and `ready, newest loading` while an older generation serves. */
function stateText({ status }: Template): string {
  const state = enumName(TemplateState, status?.state ?? 0).toLowerCase();
  if (status?.state !== TemplateState.READY) return state;
  if (status.failure !== undefined) return `${state}, newest failed`;
  if (status.servingGeneration < status.newestGeneration) return `${state}, newest loading`;
  return status.spawnFallback === "" ? state : `${state}, spawns`;
}

function stateStyle({ status }: Template): Style | undefined {
  if (status?.failure !== undefined) return "bad";
  switch (status?.state) {
    case TemplateState.READY:
      return "good";
    case TemplateState.STARTING:
      return "warning";
    case TemplateState.FAILED:
      return "bad";
    case TemplateState.IDLE:
    case TemplateState.UNSPECIFIED:
    case TemplateState.UNRECOGNIZED:
    case undefined:
      return undefined;
  }
}

function generationText({ status }: Template): string {
  const serving = status?.servingGeneration ?? 0n;
  const newest = status?.newestGeneration ?? 0n;
  return serving === newest || serving === 0n ? `${newest}` : `${serving} of ${newest}`;
}

function runtimeText({ spec }: Template): string {
  return enumName(Runtime, spec?.runtime ?? 0).toLowerCase();
}

function warmText({ spec, status }: Template): string {
  const wanted = spec?.warmWorkers ?? 0;
  if (wanted === 0) return "";
  return canFork({ status }) ? `${status?.warmWorkers ?? 0} of ${wanted}` : "none";
}

function warmSentence(template: Template): string {
  const text = warmText(template);
  if (text === "") return "";
  return canFork(template) ? `${text} ready` : `${text}: its workers are spawned`;
}

function canFork({ status }: Pick<Template, "status">): boolean {
  return (status?.spawnFallback ?? "") === "";
}

/** `3.11.7, pid 7, 2 modules in 82ms`, without a pid where there is no zygote. */
export function readyText(report: ZygoteReport): string {
  const pid = report.pid === 0 ? [] : [`pid ${report.pid}`];
  return [report.runtimeVersion, ...pid, loadTimeText(report)].join(", ");
}

function pairs(map: Readonly<Record<string, string>>): string {
  return Object.entries(map)
    .map(([key, value]) => `${key}=${value}`)
    .join(" ");
}

/** `in 1.2s`, of all preloads together. */
function loadTimeText({ modules }: ZygoteReport): string {
  const us = modules.reduce((sum, { loadUs }) => sum + loadUs, 0);
  return `${plural(modules.length, "module")} in ${humanDuration(us / 1000)}`;
}
