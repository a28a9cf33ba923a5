import { type CpuLedger } from "../cpus/cpu-ledger.js";
import { formatCpuSet } from "../cpus/cpu-set.js";
import { type KeeperClient } from "../kernel/keeper/keeper-client.js";
import { type KeeperFeatures } from "../kernel/keeper/keeper-decode.js";
import { type Processes } from "../processes/processes.js";
import {
  type Check,
  type ServerFacts,
  type ServerLimits,
  type ServerReport,
  type ServerStatus,
} from "./server-report.js";

/** What the report is made of. */
export interface DaemonReportParts {
  readonly version: string;
  readonly storeId: string;
  readonly hostName: string;
  readonly startTimeMs: number;
  readonly limits: ServerLimits;
  readonly keeper: KeeperClient;
  readonly processes: Processes;
  readonly ledger: CpuLedger;
  readonly revision: () => number;
  readonly queues: () => { readonly count: number; readonly items: number; readonly bytes: number };
  readonly connections: () => number;
  readonly isStopping: () => boolean;
  /** Things that went wrong and still are. */
  readonly troubles: () => readonly string[];
  readonly diagnose: () => Promise<readonly Check[]>;
}

/** What every daemon of this version can do. */
const ALWAYS = [
  "start.spawn",
  "start.forkserver",
  "start.fork",
  "templates",
  "cpus",
  "queues.auto",
];

function cgroupCapabilities(features: KeeperFeatures | undefined): readonly string[] {
  if (features === undefined) return [];
  const limits = features.controllers.map((controller) => `cgroup.${controller}`);
  return [...(features.cgroupLeaves ? ["cgroup.leaves"] : []), ...limits];
}

/** The daemon's report of itself, put together when somebody asks. */
export class DaemonReport implements ServerReport {
  readonly #parts: DaemonReportParts;

  constructor(parts: DaemonReportParts) {
    this.#parts = parts;
  }

  facts(): ServerFacts {
    const { version, storeId, hostName, startTimeMs, limits, keeper, revision } = this.#parts;
    return {
      version,
      capabilities: [...ALWAYS, ...cgroupCapabilities(keeper.welcome?.features)],
      limits,
      storeId,
      revision: revision(),
      hostName,
      bootId: keeper.welcome?.identity.bootId ?? "",
      startTimeMs,
      keeperVersion: keeper.welcome?.version ?? "",
    };
  }

  status(): ServerStatus {
    const { keeper, processes, ledger, connections, isStopping, troubles } = this.#parts;
    const queues = this.#parts.queues();
    const warnings = [
      ...(keeper.isConnected ? [] : ["The keeper does not answer: no worker can be started"]),
      ...troubles(),
    ];
    const counts = processes.countByState();
    const alive = (counts.get("running") ?? 0) + (counts.get("stopping") ?? 0);
    const state = isStopping() ? "draining" : warnings.length > 0 ? "degraded" : "serving";
    return {
      state,
      summary: `${counted(alive, "worker")} on CPUs ${formatCpuSet(ledger.space.usable)}, ${counted(queues.count, "queue")} with ${counted(queues.items, "item")}`,
      processes: new Map([...counts].map(([kind, count]) => [kind.toUpperCase(), count])),
      queues: queues.count,
      queueItems: queues.items,
      queueBytes: queues.bytes,
      connections: connections(),
      rssBytes: process.memoryUsage.rss(),
      uptimeMs: process.uptime() * 1000,
      keeperConnected: keeper.isConnected,
      warnings,
      pid: process.pid,
      keeperPid: keeper.welcome?.pid ?? 0,
    };
  }

  diagnose(): Promise<readonly Check[]> {
    return this.#parts.diagnose();
  }
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
