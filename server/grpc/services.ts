import { AdminServiceDefinition } from "../../proto/gen/forkbus/v1/admin.js";
import { ProcessServiceDefinition } from "../../proto/gen/forkbus/v1/process.js";
import { CpuServiceDefinition } from "../../proto/gen/forkbus/v1/cpu.js";
import { TemplateServiceDefinition } from "../../proto/gen/forkbus/v1/template.js";
import { type AdminService } from "./admin-service.js";
import { type CpuService } from "./cpu-service.js";
import { type GrpcServer } from "./grpc-server.js";
import { type ProcessService } from "./process-service.js";
import { QueueServiceWire } from "./queue-codecs.js";
import { type QueueService } from "./queue-service.js";
import { type TemplateService } from "./template-service.js";

export interface Services {
  readonly processes: ProcessService;
  readonly templates: TemplateService;
  readonly queues: QueueService;
  readonly admin: AdminService;
  readonly cpus: CpuService;
}

/** Full names of our services, such as `forkbus.v1.QueueService`. */
export const SERVICE_NAMES: readonly string[] = [
  ProcessServiceDefinition.fullName,
  TemplateServiceDefinition.fullName,
  QueueServiceWire.fullName,
  AdminServiceDefinition.fullName,
  CpuServiceDefinition.fullName,
];

export function serveAll(
  server: GrpcServer,
  { processes, templates, queues, admin, cpus }: Services,
): void {
  server.serve(ProcessServiceDefinition, processes);
  server.serve(TemplateServiceDefinition, templates);
  server.serve(QueueServiceWire, queues);
  server.serve(AdminServiceDefinition, admin);
  server.serve(CpuServiceDefinition, cpus);
}
