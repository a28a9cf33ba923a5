import {
  CheckOutcome,
  type DiagnoseResponseCheck,
  type GetServerInfoResponse,
  type GetServerStatusResponse,
  ServerState,
} from "../../proto/gen/forkbus/v1/admin.js";
import { enumName } from "./enum-name.js";
import { rfc3339 } from "./instant.js";
import { type JsonValue } from "./json.js";

/** What the daemon is (`info`) and how it is (`status`), with the field names of the API. */
export function serverJson(
  address: string,
  info: GetServerInfoResponse,
  status: GetServerStatusResponse,
): JsonValue {
  const { limits } = info;
  return {
    address,
    info: {
      version: info.version,
      keeper_version: info.keeperVersion,
      capabilities: info.capabilities,
      limits: limits && {
        max_frame_bytes: limits.maxFrameBytes,
        max_item_bytes: limits.maxItemBytes,
        max_page_size: limits.maxPageSize,
        max_queue_bytes: limits.maxQueueBytes,
        max_processes: limits.maxProcesses,
        max_request_bytes: limits.maxRequestBytes,
        retained_processes: limits.retainedProcesses,
        retention_ms: limits.retentionMs,
      },
      store_id: info.storeId,
      revision: info.revision,
      host_name: info.hostName,
      boot_id: info.bootId,
      principal: info.principal,
      local: info.local,
      start_time: rfc3339(info.startTime),
    },
    status: {
      state: enumName(ServerState, status.state),
      summary: status.summary,
      processes: status.processes,
      queues: status.queues,
      queue_items: status.queueItems,
      queue_bytes: status.queueBytes,
      connections: status.connections,
      rss_bytes: status.rssBytes,
      uptime_ms: status.uptimeMs,
      keeper_connected: status.keeperConnected,
      warnings: status.warnings,
      pid: status.pid,
      keeper_pid: status.keeperPid,
    },
  };
}

/** One thing that `doctor` looked at. */
export function checkJson(check: DiagnoseResponseCheck): JsonValue {
  return {
    name: check.name,
    outcome: enumName(CheckOutcome, check.outcome),
    message: check.message,
    consequence: check.consequence === "" ? undefined : check.consequence,
    remedy: check.remedy === "" ? undefined : check.remedy,
  };
}
