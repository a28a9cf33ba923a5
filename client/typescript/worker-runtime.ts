/**
 * What the process that calls a `node` function knows of the worker that it is. It stands in the global object, as a
 * worker may load this package any number of times, also in other versions than the daemon's own.
 */
export interface WorkerRuntime {
  readonly id: string;
  readonly name: string;
  /** As the caller gave them. */
  readonly arguments: { readonly bytes: Uint8Array; readonly encoding: string };
  /** Directories that the worker's functions were looked for in. */
  readonly modulePath?: readonly string[];
  /** Returns when the worker has been released. */
  serveForks(): void | Promise<void>;
}

/** Undefined in a program that is no such worker. */
export function workerRuntime(): WorkerRuntime | undefined {
  const value: unknown = Reflect.get(globalThis, Symbol.for("forkbus.worker"));
  return isWorkerRuntime(value) ? value : undefined;
}

function isWorkerRuntime(value: unknown): value is WorkerRuntime {
  return (
    typeof value === "object" &&
    value !== null &&
    "id" in value &&
    typeof value.id === "string" &&
    "name" in value &&
    typeof value.name === "string" &&
    "arguments" in value &&
    typeof value.arguments === "object" &&
    "serveForks" in value &&
    typeof value.serveForks === "function"
  );
}
