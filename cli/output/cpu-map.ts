import {
  CoreKind,
  type Cpu,
  type CpuAssignment,
  type GetTopologyResponse,
  type ListCpuAssignmentsResponse,
} from "../../proto/gen/forkbus/v1/cpu.js";
import { CpuLayout } from "../../proto/gen/forkbus/v1/process.js";
import { enumName } from "./enum-name.js";
import { escapeText } from "./escape.js";
import { humanCpuList, plural } from "./human.js";
import { type Column, type Paint, renderTable } from "./table.js";

/** One CPU; what it shares with the one above is not written again. */
interface Row {
  readonly cpu: Cpu;
  readonly seat: CpuAssignment | undefined;
  readonly isFirstOfPackage: boolean;
  readonly isFirstOfNode: boolean;
  readonly isFirstOfCore: boolean;
}

const MOST_NAMES = 8;

/** Packages, NUMA nodes, cores and CPUs, with those who sit there, and below what is not as it should be. */
export function renderCpuMap(
  { cpus }: GetTopologyResponse,
  { assignments, drifts, waiting, unpinned }: ListCpuAssignmentsResponse,
  paint: Paint,
): string {
  const seats = new Map(assignments.map((seat) => [seat.cpu, seat]));
  const isHybrid = cpus.some(({ kind }) => kind !== CoreKind.UNSPECIFIED);
  const shown = columns.filter(({ title }) => title !== "KIND" || isHybrid);
  const notes = [
    ...drifts.map(
      ({ process, ledgerCpus, kernelCpus }) =>
        `${paint("warning", "not in its place")}  ${escapeText(process)} runs on CPUs ${humanCpuList(kernelCpus)}, its place is ${humanCpuList(ledgerCpus)}`,
    ),
    ...waiting.map(
      (wait, index) =>
        `${paint("dim", "waiting")}  ${plural(wait.cpus, "exclusive CPU")}, ${enumName(CpuLayout, wait.layout).toLowerCase().replace("_", "-")}${index === 0 ? ": next" : ""}`,
    ),
    ...(unpinned === 0
      ? []
      : [`${paint("dim", "not pinned")}  ${plural(unpinned, "worker")}, on all that is shared`]),
  ];
  return (
    renderTable(shown, rowsOf(cpus, seats), paint) +
    notes.map((note, index) => `${index === 0 ? "\n" : ""}${note}\n`).join("")
  );
}

const columns: readonly Column<Row>[] = [
  {
    title: "PACKAGE",
    text: ({ cpu, isFirstOfPackage }) => (isFirstOfPackage ? `${cpu.package}` : " "),
  },
  { title: "NODE", text: ({ cpu, isFirstOfNode }) => (isFirstOfNode ? `${cpu.numaNode}` : " ") },
  { title: "CORE", text: ({ cpu, isFirstOfCore }) => (isFirstOfCore ? `${cpu.core}` : " ") },
  { title: "CPU", align: "right", text: ({ cpu }) => `${cpu.id}` },
  {
    title: "KIND",
    text: ({ cpu }) => enumName(CoreKind, cpu.kind).toLowerCase(),
  },
  {
    title: "USE",
    text: useOf,
    style: (row) => (row.seat?.exclusive === true ? "strong" : row.cpu.usable ? undefined : "dim"),
  },
  { title: "WORKERS", align: "right", text: ({ seat }) => `${seat?.processCount ?? 0}` },
  { title: "NAMES", text: ({ seat }) => namesOf(seat) },
];

function useOf({ cpu, seat }: Row): string {
  if (seat?.exclusive === true) return "exclusive";
  if (cpu.reserved) return "reserved";
  return cpu.usable ? "shared" : "not ours";
}

function namesOf(seat: CpuAssignment | undefined): string {
  if (seat === undefined || seat.processCount === 0) return "";
  const names = seat.processes.slice(0, MOST_NAMES);
  const more = seat.processCount - names.length;
  return names.join(" ") + (more > 0 ? ` and ${more} more` : "");
}

function rowsOf(cpus: readonly Cpu[], seats: ReadonlyMap<number, CpuAssignment>): readonly Row[] {
  const ordered = [...cpus].sort(
    (a, b) => a.package - b.package || a.numaNode - b.numaNode || a.core - b.core || a.id - b.id,
  );
  return ordered.map((cpu, index) => {
    const above = ordered[index - 1];
    const isFirstOfPackage = above?.package !== cpu.package;
    const isFirstOfNode = isFirstOfPackage || above.numaNode !== cpu.numaNode;
    const isFirstOfCore = isFirstOfNode || above.core !== cpu.core;
    return { cpu, seat: seats.get(cpu.id), isFirstOfPackage, isFirstOfNode, isFirstOfCore };
  });
}
