import type { WorkerException as WorkerExceptionMessage } from "../../proto/gen/forkbus/v1/types.js";
import { ForkbusError } from "./errors.js";
import { describeExit, type Exit } from "./exit.js";
import type { Payload } from "./payload.js";

/** What a function raised or threw in a worker. */
export interface WorkerException {
  /** The class with its module, such as `ValueError` or `app.NotFound`. */
  readonly type: string;
  readonly message: string;
  /** As the worker's language prints it. */
  readonly traceback: string;
  /** The exception itself, where the worker could encode it; `pickle` in python. */
  readonly payload: Payload | undefined;
}

export function parseException(message: WorkerExceptionMessage): WorkerException {
  const { type, traceback, payload } = message;
  return {
    type,
    message: message.message,
    traceback,
    payload: payload === undefined || payload.data.length === 0 ? undefined : payload,
  };
}

/** The function of a worker raised or threw. Printed, it shows the worker's own traceback. */
export class WorkerError extends ForkbusError {
  /** Name of the process, whose record and output say more. */
  readonly process: string;
  readonly #exception: WorkerException;

  constructor(process: string, exception: WorkerException) {
    const { type, message, traceback } = exception;
    super(message === "" ? type : `${type}: ${message}`, { code: "UNKNOWN" });
    this.process = process;
    this.#exception = exception;
    if (traceback !== "")
      this.stack = `${this.stack ?? ""}\n\nIn the worker ${process}:\n${traceback}`;
  }

  /** The class of what was raised, such as `ValueError`. */
  get type(): string {
    return this.#exception.type;
  }

  get traceback(): string {
    return this.#exception.traceback;
  }

  /** All of it, with the message as it was raised. */
  get exception(): WorkerException {
    return this.#exception;
  }
}

/** A worker ended without a result: by a signal, by exiting itself, or nobody knows how. */
export class WorkerExitError extends ForkbusError {
  /** Name of the process, whose record and output say more. */
  readonly process: string;
  readonly #exit: Exit;

  constructor(process: string, exit: Exit) {
    const asked = exit.cause === "stop-requested" ? ", as it was stopped" : "";
    super(`The worker ${process} gave no result: it ${describeExit(exit)}${asked}`, {
      code: "ABORTED",
    });
    this.process = process;
    this.#exit = exit;
  }

  get exit(): Exit {
    return this.#exit;
  }
}
