import { randomUUID } from "node:crypto";
import type {
  AdminServiceClient,
  GetServerInfoResponse,
} from "../../proto/gen/forkbus/v1/admin.js";
import { type CpuServiceClient } from "../../proto/gen/forkbus/v1/cpu.js";
import { ProcessState, type ProcessServiceClient } from "../../proto/gen/forkbus/v1/process.js";
import {
  FullPolicy,
  type Queue as QueueMessage,
  type QueueServiceClient,
} from "../../proto/gen/forkbus/v1/queue.js";
import { type CallOptions, callFunction } from "./call-function.js";
import type { Connection } from "./connection.js";
import type { State } from "./known-process.js";
import { Process } from "./process.js";
import type { ProcessOptions } from "./process-options.js";
import { Queue } from "./queue.js";
import { type Codec, type CodecItems, codecs } from "./queue-codec.js";
import { repeatWhileUnavailable } from "./retry.js";
import { Templates } from "./templates.js";
import { type SignalOption, type WaitOptions, withSignal } from "./wait-options.js";

export interface QueueOptions extends SignalOption {
  /**
   * With a name: a queue that stays until it is deleted, and that is made only if there is none; one of that name with
   * other bounds or labels throws AlreadyExistsError. Without: a fresh queue, deleted when the handle is disposed.
   */
  readonly name?: string;
  /** Most items at once. Default: no limit. */
  readonly maxItems?: number;
  /** Most bytes of items at once. Default: 256 MiB. */
  readonly maxBytes?: number;
  /** What a put does when the queue is full. Default: it waits. */
  readonly whenFull?: "wait" | "reject";
  readonly labels?: Readonly<Record<string, string>>;
}

export interface ListOptions extends SignalOption {
  readonly namePrefix?: string;
  /** All must match exactly. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Processes one page asks for, at most 1000. */
  readonly pageSize?: number;
}

export interface ListProcessesOptions extends ListOptions {
  /** Any of these. Default: all. */
  readonly states?: readonly Exclude<State, "unknown">[];
}

type CodecName = keyof CodecItems;

/** A connection to one daemon. Dispose it to end all that is under way on it; processes and queues live on. */
export class Client implements AsyncDisposable {
  /** What the daemon is and can do, as it said when the connection was made. */
  readonly server: GetServerInfoResponse;
  /** Recipes of warm fork servers. */
  readonly templates: Templates;
  readonly #connection: Connection;

  /** Programs use `connect`. */
  constructor(connection: Connection, server: GetServerInfoResponse) {
    this.#connection = connection;
    this.server = server;
    this.templates = new Templates(connection);
  }

  /** In the form that `connect` and FORKBUS_ADDRESS take. */
  get address(): string {
    return this.#connection.address;
  }

  get isClosed(): boolean {
    return this.#connection.isClosed;
  }

  /** The services as they are on the wire: nothing is repeated, and 64-bit numbers are bigints. */
  get processes(): ProcessServiceClient {
    return this.#connection.processes;
  }

  get queues(): QueueServiceClient {
    return this.#connection.queues;
  }

  get admin(): AdminServiceClient {
    return this.#connection.admin;
  }

  get cpus(): CpuServiceClient {
    return this.#connection.cpus;
  }

  /** A process that is yet to be started. */
  process(options: ProcessOptions): Process {
    return new Process(this.#connection, options);
  }

  /** A process that is started: `process(options).start()`. */
  spawn(options: ProcessOptions, waiting: SignalOption = {}): Promise<Process> {
    return this.process(options).start(waiting);
  }

  /**
   * Calls a function in a worker of its own, and returns what it returned: `start`, `result` and `delete` of a process in
   * one. Nothing of it is left behind then. When it throws, the record and the output stay, as those of any process that
   * has ended, and WorkerError and WorkerExitError name the process; a call that is given up, by its signal or its
   * `timeoutMs`, tells the daemon to stop the worker and does not wait for its end.
   */
  call(options: CallOptions, waiting: WaitOptions = {}): Promise<unknown> {
    return callFunction(this.#connection, options, waiting);
  }

  /** The process of that name, whoever started it. */
  async attach(name: string, { signal }: SignalOption = {}): Promise<Process> {
    const { process } = await repeatWhileUnavailable(
      this.#connection,
      () => this.processes.getProcess({ name }, withSignal(signal)),
      signal,
    );
    return new Process(this.#connection, { name }, process);
  }

  /** Processes in the order of their names, page by page as the loop goes. */
  async *list(options: ListProcessesOptions = {}): AsyncGenerator<Process, void, undefined> {
    const { signal, namePrefix = "", labels = {}, pageSize = 0 } = options;
    const states = (options.states ?? []).map((state) => stateNumbers[state]);
    const filter = { namePrefix, labels: { ...labels }, pageSize, states };
    let pageToken = "";
    do {
      const page = await repeatWhileUnavailable(
        this.#connection,
        () => this.processes.listProcesses({ ...filter, pageToken }, withSignal(signal)),
        signal,
      );
      for (const message of page.processes) {
        yield new Process(this.#connection, { name: message.name }, message);
      }
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  }

  /** Makes a queue, or finds the one of that name. Items are bytes unless a codec, by name or your own, says otherwise. */
  queue(options?: QueueOptions): Promise<Queue<Uint8Array>>;
  queue<Name extends CodecName>(
    options: QueueOptions & { readonly codec: Name },
  ): Promise<Queue<CodecItems[Name]>>;
  queue<T>(options: QueueOptions & { readonly codec: Codec<T> }): Promise<Queue<T>>;
  async queue(options: QueueOptions & CodecOption = {}): Promise<unknown> {
    const { signal } = options;
    const queue = {
      // A name made here, so that the call can be repeated.
      name: options.name ?? `queue-${randomUUID()}`,
      labels: { ...options.labels },
      spec: {
        maxItems: options.maxItems ?? 0,
        maxBytes: options.maxBytes ?? 0,
        fullPolicy: options.whenFull === "reject" ? FullPolicy.REJECT : FullPolicy.BLOCK,
      },
    };
    const answer = await repeatWhileUnavailable(
      this.#connection,
      () => this.queues.createQueue({ queue }, withSignal(signal)),
      signal,
    );
    return this.#handleOf(answer.queue, options, options.name === undefined);
  }

  /** The queue of that name, whatever its bounds. Throws NotFoundError when there is none. */
  openQueue(name: string, options?: SignalOption): Promise<Queue<Uint8Array>>;
  openQueue<Name extends CodecName>(
    name: string,
    options: SignalOption & { readonly codec: Name },
  ): Promise<Queue<CodecItems[Name]>>;
  openQueue<T>(
    name: string,
    options: SignalOption & { readonly codec: Codec<T> },
  ): Promise<Queue<T>>;
  async openQueue(name: string, options: SignalOption & CodecOption = {}): Promise<unknown> {
    const { signal } = options;
    const answer = await repeatWhileUnavailable(
      this.#connection,
      () => this.queues.getQueue({ name }, withSignal(signal)),
      signal,
    );
    return this.#handleOf(answer.queue, options, false);
  }

  /** Ends every call that is under way. Any number of times. */
  close(): void {
    this.#connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await Promise.resolve();
  }

  #handleOf(
    message: QueueMessage | undefined,
    { codec = "bytes" }: CodecOption,
    owned: boolean,
  ): Queue<unknown> {
    if (message === undefined) throw new Error("The daemon answered without a queue");
    const chosen: Codec<unknown> = typeof codec === "string" ? codecs[codec] : codec;
    return new Queue({ connection: this.#connection, message, codec: chosen, owned });
  }
}

interface CodecOption {
  readonly codec?: CodecName | Codec<unknown>;
}

const stateNumbers: Readonly<Record<Exclude<State, "unknown">, ProcessState>> = {
  starting: ProcessState.STARTING,
  running: ProcessState.RUNNING,
  stopping: ProcessState.STOPPING,
  exited: ProcessState.EXITED,
  lost: ProcessState.LOST,
};
