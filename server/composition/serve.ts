import { randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";
import { hostname } from "node:os";
import { type Config } from "../config/config.js";
import { type CleanupStack } from "../core/cleanup-stack.js";
import { DomainError } from "../core/errors.js";
import { AdminService } from "../grpc/admin-service.js";
import { GrpcServer } from "../grpc/grpc-server.js";
import { Health } from "../grpc/health.js";
import { listenSpec } from "../grpc/listen-spec.js";
import { MAX_PAGE_SIZE } from "../grpc/page-token.js";
import { ProcessService } from "../grpc/process-service.js";
import { CpuService } from "../grpc/cpu-service.js";
import { QueueService } from "../grpc/queue-service.js";
import { addReflection } from "../grpc/reflection.js";
import { serveAll, SERVICE_NAMES } from "../grpc/services.js";
import { TemplateService } from "../grpc/template-service.js";
import { diagnose } from "../kernel/diagnosis.js";
import { processMemory } from "../kernel/process-memory.js";
import { storeId } from "../kernel/store-id.js";
import { systemClock } from "../kernel/system-clock.js";
import { buildInfo } from "../observability/build-info.js";
import { DaemonReport } from "../observability/daemon-report.js";
import { type Logger } from "../observability/logger.js";
import { misplaced } from "../processes/misplaced.js";
import { outputPositions } from "../processes/output-positions.js";
import { MAX_FRAME_BYTES, MAX_ITEM_BYTES } from "../queues/frame-limits.js";
import { MAX_QUEUE_BYTES } from "../queues/queue-spec.js";
import { QueueTable } from "../queues/queue-table.js";
import { phaseOf } from "../templates/template-state.js";
import { ZygoteLook } from "../templates/zygote-look.js";
import { type Workers } from "./start-workers.js";

/** Resolves to where clients are served. */
export async function serve(
  config: Config,
  log: Logger,
  { keeper, output, results, templates, system }: Workers,
  startTimeMs: number,
  cleanup: CleanupStack,
): Promise<readonly string[]> {
  let queueRevision = 0n;
  const queues = new QueueTable({
    clock: systemClock,
    newUid: randomUUID,
    nextRevision: () => ++queueRevision,
  });
  const stopping = new AbortController();
  // Every call that waits listens to it.
  setMaxListeners(0, stopping.signal);
  const server = new GrpcServer({ log });
  const report = new DaemonReport({
    version: buildInfo().version,
    storeId: await storeId(config.stateDir, randomUUID),
    hostName: hostname(),
    startTimeMs,
    limits: {
      frameBytes: MAX_FRAME_BYTES,
      itemBytes: MAX_ITEM_BYTES,
      pageSize: MAX_PAGE_SIZE,
      queueBytes: MAX_QUEUE_BYTES,
      processes: keeper.welcome?.maxWorkers ?? 0,
      requestBytes: server.limits.requestMessageBytes,
      retainedProcesses: config.retention.maxRecords,
      retentionMs: config.retention.maxAgeMs,
    },
    keeper,
    processes: system.processes,
    ledger: system.ledger,
    revision: () => system.table.counters.revision,
    queues: () => queues.totals(),
    connections: () => server.connectionCount,
    isStopping: () => stopping.signal.aborted,
    troubles: () => [
      ...(system.trouble === null ? [] : [`Records cannot be kept: ${text(system.trouble)}`]),
      ...misplaced(system.affinityCheck.differences()),
    ],
    diagnose: () =>
      diagnose({
        stateDir: config.stateDir,
        reserveBytes: config.keeper.reserveBytes,
        keeper: keeper.isConnected ? keeper.welcome : null,
        templates: [...templates.table.all()]
          .filter(({ record }) => !record.deleted)
          .map(({ record, state }) => ({
            name: record.name,
            state: phaseOf(state),
            why: state.failure?.failure.message ?? state.fallback?.why ?? "",
          })),
      }),
  });
  const health = new Health(SERVICE_NAMES);
  const reading = { table: system.table, keeper, clock: systemClock };
  serveAll(server, {
    processes: new ProcessService(
      system.processes,
      output,
      (record) => outputPositions(output, record),
      results,
      reading,
      stopping.signal,
    ),
    templates: new TemplateService(
      templates.templates,
      new ZygoteLook({
        zygotes: templates.zygotes,
        files: results,
        memory: processMemory,
        clock: systemClock,
      }),
      stopping.signal,
    ),
    queues: new QueueService(queues),
    admin: new AdminService(report),
    cpus: new CpuService(system),
  });
  health.addTo(server);
  addReflection(server);
  cleanup.defer(() =>
    server.stop({
      graceMs: config.stopGraceMs,
      beforeDrain: () => {
        health.stopping();
        stopping.abort(new DomainError("draining", "The daemon stops", { retryAfterMs: 500 }));
        queues.stop();
      },
    }),
  );
  const addresses: string[] = [];
  for (const address of config.listen) {
    addresses.push(await server.listen(await listenSpec(address, log)));
  }
  health.serving();
  log.info("ready", { pid: process.pid, addresses, processes: system.table.size });
  return addresses;
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
