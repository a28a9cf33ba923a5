import * as proto from "../../proto/gen/forkbus/v1/cpu.js";
import { type ProcessUid } from "../core/ids.js";
import { type CpuLedger } from "../cpus/cpu-ledger.js";
import { sorted } from "../cpus/cpu-set.js";
import { type Plan } from "../cpus/placement-plan.js";
import { type Cpu } from "../cpus/topology.js";
import { type AffinityCheck } from "../processes/affinity-check.js";
import { type Placements } from "../processes/placements.js";
import { validateCpuRequest } from "../processes/process-spec.js";
import { type ProcessTable } from "../processes/process-table.js";
import { fromLayout, toCpuRequest } from "./convert/process-spec.js";
import { type Handlers } from "./service-shape.js";
import { reasonOfCode } from "./status-of-error.js";

const MAX_NAMES_PER_CPU = 1000;
const MAX_EXAMPLES = 20;

/** Where the answers come from. */
export interface CpuServiceParts {
  readonly ledger: CpuLedger<ProcessUid>;
  readonly placements: Placements;
  readonly affinityCheck: AffinityCheck;
  readonly table: ProcessTable;
}

/** The ledger's view of the CPUs, for reading. */
export class CpuService implements Handlers<typeof proto.CpuServiceDefinition> {
  readonly #parts: CpuServiceParts;

  constructor(parts: CpuServiceParts) {
    this.#parts = parts;
  }

  readonly getTopology = (): Promise<proto.GetTopologyResponse> => {
    const { topology, usable, reserved } = this.#parts.ledger.space;
    const ids = sorted([...topology.cpus.map(({ id }) => id), ...usable, ...reserved]);
    return Promise.resolve({
      cpus: ids.map((id) => ({
        ...fromCpu(topology.cpu(id)),
        usable: usable.includes(id),
        reserved: reserved.includes(id),
      })),
    });
  };

  readonly listCpuAssignments = (): Promise<proto.ListCpuAssignmentsResponse> => {
    const { ledger, placements, affinityCheck } = this.#parts;
    const cpus = sorted([...ledger.space.usable, ...ledger.occupied()]);
    return Promise.resolve({
      assignments: cpus.map((cpu) => {
        const holders = ledger.holdersOn(cpu);
        return {
          cpu,
          exclusive: ledger.exclusiveHolder(cpu) !== undefined,
          processes: this.#names(holders, MAX_NAMES_PER_CPU),
          processCount: holders.length,
        };
      }),
      drifts: affinityCheck.differences().map(({ record, assigned, kernel }) => ({
        process: record.name,
        ledgerCpus: [...assigned],
        kernelCpus: [...kernel],
      })),
      waiting: placements.line.waiting.map(({ request }) => ({
        cpus: request.count,
        layout: fromLayout(request.layout),
      })),
      unpinned: ledger.floating.size,
    });
  };

  readonly explainPlacement = ({
    cpus,
  }: proto.ExplainPlacementRequest): Promise<proto.ExplainPlacementResponse> => {
    const request = toCpuRequest(cpus);
    validateCpuRequest(request);
    const found = this.#parts.ledger.plan(request);
    const behind =
      found.kind === "fits" && request.kind === "exclusive"
        ? this.#parts.placements.line.obstacle(request)
        : undefined;
    const displaced = found.kind === "fits" ? found.displaced : [];
    return Promise.resolve({
      fits: found.kind === "fits" && behind === undefined,
      cpus: found.kind === "fits" && behind === undefined ? [...(found.cpus ?? [])] : [],
      rejection:
        behind === undefined
          ? this.#rejection(found)
          : {
              reason: reasonOfCode(behind.code),
              message: behind.message,
              missing: 0,
              blockers: [],
            },
      steps: found.steps.map(({ rule, cpus: left }) => ({ rule, cpus: [...left] })),
      moved: this.#names(displaced, MAX_EXAMPLES),
      movedCount: displaced.length,
    });
  };

  #rejection(found: Plan<ProcessUid>): proto.ExplainPlacementResponseRejection | undefined {
    if (found.kind === "fits") return undefined;
    const { code, message, facts, blockers } = found.refusal;
    return {
      reason: reasonOfCode(code),
      message,
      missing: Number(facts["missing"] ?? 0),
      blockers: this.#names(blockers, MAX_EXAMPLES),
    };
  }

  /** One that is being admitted has no name yet. */
  #names(holders: readonly ProcessUid[], most: number): string[] {
    return holders
      .slice(0, most)
      .flatMap((uid) => this.#parts.table.byUid(uid)?.name ?? [])
      .sort();
  }
}

function fromCpu(cpu: Cpu): Omit<proto.Cpu, "usable" | "reserved"> {
  return {
    id: cpu.id,
    core: cpu.core,
    package: cpu.package,
    numaNode: cpu.numaNode,
    capacity: cpu.capacity,
    kind:
      cpu.kind === null
        ? proto.CoreKind.UNSPECIFIED
        : cpu.kind === "performance"
          ? proto.CoreKind.PERFORMANCE
          : proto.CoreKind.EFFICIENCY,
  };
}
