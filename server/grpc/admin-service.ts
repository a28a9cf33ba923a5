import * as proto from "../../proto/gen/forkbus/v1/admin.js";
import { principalName } from "../auth/principal.js";
import { type Check, type ServerReport, type ServerFacts } from "../observability/server-report.js";
import { type CallContext } from "./call-context.js";
import { fromWallTime } from "./convert/timestamp.js";
import { type Handlers } from "./service-shape.js";

/** Requests to the server's report of itself, and back. */
export class AdminService implements Handlers<typeof proto.AdminServiceDefinition> {
  readonly #report: ServerReport;

  constructor(report: ServerReport) {
    this.#report = report;
  }

  readonly getServerInfo = (
    _request: proto.GetServerInfoRequest,
    { principal }: CallContext,
  ): Promise<proto.GetServerInfoResponse> => {
    const facts = this.#report.facts();
    return Promise.resolve({
      version: facts.version,
      capabilities: [...facts.capabilities],
      limits: toLimits(facts),
      storeId: facts.storeId,
      revision: BigInt(facts.revision),
      hostName: facts.hostName,
      bootId: facts.bootId,
      principal: principalName(principal),
      local: principal.kind === "local-user",
      startTime: fromWallTime(facts.startTimeMs),
      keeperVersion: facts.keeperVersion,
    });
  };

  readonly getServerStatus = (): Promise<proto.GetServerStatusResponse> => {
    const status = this.#report.status();
    return Promise.resolve({
      state: STATES[status.state],
      summary: status.summary,
      processes: Object.fromEntries(status.processes),
      queues: status.queues,
      queueItems: BigInt(status.queueItems),
      queueBytes: BigInt(status.queueBytes),
      connections: status.connections,
      rssBytes: BigInt(status.rssBytes),
      uptimeMs: BigInt(Math.round(status.uptimeMs)),
      keeperConnected: status.keeperConnected,
      warnings: [...status.warnings],
      pid: status.pid,
      keeperPid: status.keeperPid,
    });
  };

  readonly diagnose = async (): Promise<proto.DiagnoseResponse> => {
    const checks = await this.#report.diagnose();
    return { checks: checks.map((check) => ({ ...check, outcome: OUTCOMES[check.outcome] })) };
  };
}

const STATES = {
  serving: proto.ServerState.SERVING,
  draining: proto.ServerState.DRAINING,
  degraded: proto.ServerState.DEGRADED,
} as const;

const OUTCOMES = {
  ok: proto.CheckOutcome.OK,
  warning: proto.CheckOutcome.WARNING,
  failed: proto.CheckOutcome.FAILED,
} as const satisfies Record<Check["outcome"], proto.CheckOutcome>;

function toLimits({ limits }: ServerFacts): proto.ServerLimits {
  return {
    maxFrameBytes: BigInt(limits.frameBytes),
    maxItemBytes: BigInt(limits.itemBytes),
    maxPageSize: limits.pageSize,
    maxQueueBytes: BigInt(limits.queueBytes),
    maxProcesses: limits.processes,
    maxRequestBytes: BigInt(limits.requestBytes),
    retainedProcesses: limits.retainedProcesses,
    retentionMs: BigInt(limits.retentionMs),
  };
}
