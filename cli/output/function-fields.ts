import { type Process, type StartTimings } from "../../proto/gen/forkbus/v1/process.js";
import { raisedText } from "../function-result.js";
import { humanBytes } from "./human.js";
import { type Field, type Paint, renderBlock } from "./table.js";
import { methodText } from "./target-text.js";

/** Of a result that `run` and `-o json` show whole. */
const mostShown = 200;

/** What there is to say of a function beyond what goes for every process. */
export function functionFields({ spec, status }: Process): readonly Field[] {
  const timings = status?.startTimings;
  return [
    ["Serves forks", status?.servesForks === true ? "yes, until it is released" : ""],
    ["Searched", functionPath(spec)],
    ["Start", timings === undefined ? "" : timingsText(timings)],
  ];
}

export function methodFields(process: Process): readonly Field[] {
  return [["Method", methodText(process)]];
}

export function resultFields({ status }: Process): readonly Field[] {
  const outcome = status?.result?.outcome;
  switch (outcome?.$case) {
    case "value":
      return [["Result", valueText(outcome.value)]];
    case "exception":
      return [["Raised", raisedText(outcome.value)]];
    case undefined:
      return [];
  }
}

/** The traceback of what the function raised, below the fields; nothing where there is none. */
export function renderTraceback({ status }: Process, paint: Paint): string {
  const outcome = status?.result?.outcome;
  return outcome?.$case === "exception"
    ? renderBlock("Traceback", outcome.value.traceback, paint)
    : "";
}

/** `2.9ms: admission 0.1, pending 0.0, hop 0.4, fork 1.9, specialise 0.3, first line 0.2`. */
function timingsText(timings: StartTimings): string {
  const ms = (us: bigint): string => (Number(us) / 1000).toFixed(1);
  const parts = [
    `admission ${ms(timings.admissionUs)}`,
    `pending ${ms(timings.pendingUs)}`,
    `hop ${ms(timings.hopUs)}`,
    `fork ${ms(timings.forkUs)}`,
    `specialise ${ms(timings.specialiseUs)}`,
    `first line ${ms(timings.firstLineUs)}`,
  ];
  return `${ms(timings.totalUs)}ms to the first line: ${parts.join(", ")}`;
}

function valueText({
  data,
  encoding,
}: {
  readonly data: Uint8Array;
  readonly encoding: string;
}): string {
  if (encoding !== "json") return `${humanBytes(data.length)} (${encoding})`;
  const text = Buffer.from(data).toString("utf8");
  return text.length > mostShown
    ? `${text.slice(0, mostShown)}… (${humanBytes(data.length)} of JSON)`
    : text;
}

function functionPath(spec: Process["spec"]): string {
  const target = spec?.target;
  return target?.$case === "python" || target?.$case === "node"
    ? target.value.modulePath.join(" ")
    : "";
}
