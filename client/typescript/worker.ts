import { setImmediate } from "node:timers/promises";
import { defaultAddress } from "./address.js";
import type { Client } from "./client.js";
import { connect } from "./connect.js";
import { decodeArguments } from "./payload.js";
import { type WorkerRuntime, workerRuntime } from "./worker-runtime.js";

/** Of the event loop, in which a connection that is closed says goodbye and lets its socket go: four, and some to spare. */
const turnsToClose = 16;

/** A connection, and the worker that opened it. */
interface OpenClient {
  readonly pid: number;
  readonly client: Promise<Client>;
}

/**
 * What a worker is, asked inside it: by a function that forkbus calls, or by a program that it runs. Nothing is read or
 * opened before it is asked for, so that a module which is preloaded in a template may import this.
 */
export class Worker {
  #open: OpenClient | undefined;

  /** Whether this program is a worker of forkbus. */
  get isWorker(): boolean {
    return workerRuntime() !== undefined || fromEnvironment("FORKBUS_PROCESS_ID") !== undefined;
  }

  /** The uid of the process, without dashes. Throws, as `name` does, in a program that is no worker. */
  get id(): string {
    return workerRuntime()?.id ?? required("FORKBUS_PROCESS_ID");
  }

  /** The name of the process, which `Client.attach` takes. */
  get name(): string {
    return workerRuntime()?.name ?? required("FORKBUS_PROCESS");
  }

  /** What the function was called with; undefined in a program, whose arguments are in `process.argv`. */
  get arguments(): readonly unknown[] | undefined {
    const given = workerRuntime()?.arguments;
    return given && decodeArguments({ data: given.bytes, encoding: given.encoding });
  }

  /** Of the daemon: `$FORKBUS_ADDRESS`, else that of this user's own. */
  get address(): string {
    return (
      fromEnvironment("FORKBUS_ADDRESS") ?? defaultAddress(process.env, process.getuid?.() ?? 0)
    );
  }

  /**
   * The worker's own connection to its daemon: opened at the first call, the same one afterwards until it is closed. It
   * does not keep the worker alive, and need not be closed. A worker that was forked from another opens one of its own.
   */
  async client(): Promise<Client> {
    if (this.#open?.pid !== process.pid) this.#open = { pid: process.pid, client: connect() };
    const open = this.#open;
    try {
      const client = await open.client;
      if (!client.isClosed) return client;
    } catch (error) {
      // The next call tries again.
      this.#forget(open);
      throw error;
    }
    this.#forget(open);
    return this.client();
  }

  /**
   * Offers this worker for forking: from now on processes can be started with `forkFrom`, which begin with all its state
   * and call functions of their own. Returns when somebody has called `release` of the process. Meanwhile nothing else
   * runs here: no timer, no callback.
   *
   * The worker must have no other thread and nothing open: the connection of `client()` is closed first, with all its
   * queues. Throws in a program that forkbus runs, which cannot be forked.
   */
  async serveForks(): Promise<void> {
    const runtime = forkableRuntime();
    await this.#close();
    await runtime.serveForks();
  }

  #forget(open: OpenClient): void {
    if (this.#open === open) this.#open = undefined;
  }

  async #close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    // A connection of somebody else, inherited by a fork, is not ours to say goodbye on.
    if (open?.pid !== process.pid) return;
    const client = await open.client.catch(() => undefined);
    client?.close();
    for (let turn = 0; turn < turnsToClose; turn += 1) await setImmediate();
  }
}

/** The worker that this program is. */
export const worker = new Worker();

function forkableRuntime(): WorkerRuntime {
  const runtime = workerRuntime();
  if (runtime !== undefined) return runtime;
  throw new Error(
    "Only a worker whose function forkbus calls can serve forks: this is a program that it runs, or no worker at all",
  );
}

function required(variable: string): string {
  const value = fromEnvironment(variable);
  if (value !== undefined) return value;
  throw new Error(`This program is not a worker of forkbus: ${variable} is not set`);
}

function fromEnvironment(variable: string): string | undefined {
  return process.env[variable] || undefined;
}
