/** forkbus for TypeScript and JavaScript: processes and queues of a daemon, from any program. */
export { defaultAddress } from "./address.js";
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
  TimedOutError,
  UnavailableError,
} from "./errors.js";
export type { Cause, Exit, ExitFacts, LostCause, ResourceUsage } from "./exit.js";
export type { LogEvent, LogOptions, LogPosition, StreamName } from "./logs.js";
export type { JoinOptions, KillOptions, Process, State, Stopped, StopOptions } from "./process.js";
export type { ProcessOptions, RlimitOption } from "./process-options.js";
export type { BatchOptions, ItemsOptions, Queue } from "./queue.js";
export type { PutManyOptions } from "./queue-putter.js";
export type { Codec, CodecItems } from "./queue-codec.js";
export type { InputStream, OutputStream, ReadOutputOptions } from "./stdio.js";
export type { SignalOption, WaitOptions } from "./wait-options.js";
