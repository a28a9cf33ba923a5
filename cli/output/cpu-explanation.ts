import { type ExplainPlacementResponse } from "../../proto/gen/forkbus/v1/cpu.js";
import { escapeText } from "./escape.js";
import { humanCpuList } from "./human.js";
import { type Paint, renderTable } from "./table.js";

/** The rules with what each of them left, then the answer. */
export function renderExplanation(answer: ExplainPlacementResponse, paint: Paint): string {
  const steps = renderTable(
    [
      { title: "RULE", text: ({ rule }) => rule },
      { title: "LEFT", align: "right", text: ({ cpus }) => `${cpus.length}` },
      { title: "CPUS", text: ({ cpus }) => humanCpuList(cpus) },
    ],
    answer.steps,
    paint,
  );
  return `${steps}\n${(answer.fits ? fitting(answer, paint) : refused(answer, paint)).join("\n")}\n`;
}

function fitting({ cpus, moved, movedCount }: ExplainPlacementResponse, paint: Paint): string[] {
  const where = cpus.length === 0 ? "on all CPUs, not pinned" : `on CPUs ${humanCpuList(cpus)}`;
  return [
    `${paint("good", "It fits")}, ${where}`,
    ...(movedCount === 0 ? [] : [`Moved to make room: ${names(moved, movedCount)}`]),
  ];
}

function refused({ rejection }: ExplainPlacementResponse, paint: Paint): string[] {
  const blockers = rejection?.blockers ?? [];
  return [
    `${paint("bad", "It does not fit")}: ${escapeText(rejection?.message ?? "")} (${rejection?.reason ?? ""})`,
    ...(blockers.length === 0
      ? []
      : [`Room is made when these end: ${names(blockers, blockers.length)}`]),
  ];
}

function names(some: readonly string[], count: number): string {
  const more = count - some.length;
  return some.map(escapeText).join(" ") + (more > 0 ? ` and ${more} more` : "");
}
