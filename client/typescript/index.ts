/** forkbus for TypeScript and JavaScript: processes, functions and queues of a daemon, from any program. */
export { defaultAddress } from "./address.js";
export type { CallOptions } from "./call-function.js";
export type { Client, ListOptions, ListProcessesOptions, QueueOptions } from "./client.js";
export { connect, type ConnectOptions } from "./connect.js";
export type { TlsOptions } from "./connection.js";
export {
  AlreadyExistsError,
  type ErrorCode,
  ForkbusError,
  InvalidArgumentError,
  NotFoundError,
  OutputGapError,
  PermissionDeniedError,
  ProcessEndedError,
  QueueEmpty,
  QueueFull,
  QueueShutDown,
  TemplateFailedError,
  TimedOutError,
  UnavailableError,
} from "./errors.js";
export type { Cause, Exit, ExitFacts, LostCause, ResourceUsage } from "./exit.js";
export type { LogEvent, LogOptions, LogPosition, StreamName } from "./logs.js";
export type { Arguments, FunctionOptions, Named, PythonArguments } from "./function-options.js";
export type { State } from "./known-process.js";
export type { Payload } from "./payload.js";
export type { JoinOptions, KillOptions, Process, Stopped, StopOptions } from "./process.js";
export type {
  NodeTarget,
  ExclusiveCpus,
  ProcessOptions,
  ProgramTarget,
  PythonTarget,
  RlimitOption,
  TreeLimits,
  WorkerOptions,
} from "./process-options.js";
export type { BatchOptions, ItemsOptions, Queue } from "./queue.js";
export type { PutManyOptions } from "./queue-putter.js";
export type { Codec, CodecItems } from "./queue-codec.js";
export type { InputStream, OutputStream, ReadOutputOptions } from "./stdio.js";
export type { StartMethod, StartTimings } from "./start-facts.js";
export type { Template, TemplateState } from "./template.js";
export type {
  InitCall,
  TemplateOptions,
  TemplateRuntime,
  TemplateSpecOptions,
} from "./template-options.js";
export type { TemplateFailure, ZygoteReport } from "./template-report.js";
export type { ListTemplatesOptions, Templates } from "./templates.js";
export { worker, type Worker } from "./worker.js";
export { WorkerError, type WorkerException, WorkerExitError } from "./worker-error.js";
export type { SignalOption, WaitOptions } from "./wait-options.js";
