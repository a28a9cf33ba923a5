/** forkbus for TypeScript and JavaScript: processes and queues of a daemon, from any program. */
export { defaultAddress } from "./address.js";
export { Client, connect, type ConnectOptions } from "./connect.js";
export type { TlsOptions } from "./connection.js";
export {
  AlreadyExistsError,
  type ErrorCode,
  ForkbusError,
  InvalidArgumentError,
  NotFoundError,
  PermissionDeniedError,
  ProcessEndedError,
  QueueEmpty,
  QueueFull,
  QueueShutDown,
  TimedOutError,
  UnavailableError,
} from "./errors.js";
