import {
  CoreKind,
  type ExplainPlacementResponse,
  type GetTopologyResponse,
  type ListCpuAssignmentsResponse,
} from "../../proto/gen/forkbus/v1/cpu.js";
import { CpuLayout } from "../../proto/gen/forkbus/v1/process.js";
import { enumName } from "./enum-name.js";
import { type JsonValue } from "./json.js";

/** What there is and who sits there, with the field names of the API. */
export function cpuMapJson(
  { cpus }: GetTopologyResponse,
  { assignments, drifts, waiting, unpinned }: ListCpuAssignmentsResponse,
): JsonValue {
  return {
    cpus: cpus.map((cpu) => ({
      id: cpu.id,
      core: cpu.core,
      package: cpu.package,
      numa_node: cpu.numaNode,
      kind: cpu.kind === CoreKind.UNSPECIFIED ? undefined : enumName(CoreKind, cpu.kind),
      capacity: cpu.capacity,
      usable: cpu.usable,
      reserved: cpu.reserved,
    })),
    assignments: assignments.map(({ cpu, exclusive, processes, processCount }) => ({
      cpu,
      exclusive,
      processes,
      process_count: processCount,
    })),
    drifts: drifts.map(({ process, ledgerCpus, kernelCpus }) => ({
      process,
      ledger_cpus: ledgerCpus,
      kernel_cpus: kernelCpus,
    })),
    waiting: waiting.map((wait) => ({
      cpus: wait.cpus,
      layout: enumName(CpuLayout, wait.layout),
    })),
    unpinned,
  };
}

export function explanationJson(answer: ExplainPlacementResponse): JsonValue {
  const { rejection } = answer;
  return {
    fits: answer.fits,
    cpus: answer.cpus,
    rejection: rejection && {
      reason: rejection.reason,
      message: rejection.message,
      missing: rejection.missing,
      blockers: rejection.blockers,
    },
    steps: answer.steps.map(({ rule, cpus }) => ({ rule, cpus })),
    moved: answer.moved,
    moved_count: answer.movedCount,
  };
}
