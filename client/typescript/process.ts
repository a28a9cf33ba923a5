import { randomUUID } from "node:crypto";
import {
  type Process as ProcessMessage,
  ProcessState,
  SignalScope,
  StopOutcome,
  WaitCondition,
} from "../../proto/gen/forkbus/v1/process.js";
import type { Connection } from "./connection.js";
import { ForkbusError, ProcessEndedError } from "./errors.js";
import { type Exit, exitCodeOf, parseExit } from "./exit.js";
import { type LogEvent, type LogOptions, type ProcessIdentity, readLogs } from "./logs.js";
import { processMessage, type ProcessOptions, stopPolicy } from "./process-options.js";
import { repeatWhileUnavailable } from "./retry.js";
import { InputStream, OutputStream } from "./stdio.js";
import {
  deadlineAfter,
  type SignalOption,
  waitFor,
  type WaitOptions,
  withSignal,
} from "./wait-options.js";

export type State = "starting" | "running" | "stopping" | "exited" | "lost" | "unknown";

export interface JoinOptions extends WaitOptions {
  /** Wait for all descendants too. */
  readonly tree?: boolean;
}

export interface KillOptions extends SignalOption {
  /** Reach all descendants too, also those that left the worker's session. */
  readonly tree?: boolean;
}

export interface StopOptions extends WaitOptions {
  /** Override what the process was created with. */
  readonly stopSignal?: string;
  readonly graceMs?: number;
}

/** `pending`: the wait ran out, and the stop goes on. */
export type Stopped = "graceful" | "killed" | "already-ended" | "pending";

/**
 * A handle of one process, with the names of Python's `multiprocessing.Process`. Many handles, in many programs, may
 * stand for the same process; each knows it by its uid, so that it never touches another of the same name.
 *
 * The process belongs to the daemon, not to this program: it lives on when the program or the connection ends. Waits
 * and reads go on over a restart of the daemon. Aborting a call that waits does nothing to the process.
 */
export class Process implements AsyncDisposable {
  /** Writable when the process was created with `openStdin`. */
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly #connection: Connection;
  readonly #options: ProcessOptions;
  /** One for all attempts to start, so that they make one worker. */
  readonly #requestId = randomUUID();
  #latest: ProcessMessage | undefined;
  #owned = false;
  #exited: Promise<Exit> | undefined;

  /** Programs use `Client.process` and `Client.attach`. */
  constructor(connection: Connection, options: ProcessOptions, latest?: ProcessMessage) {
    this.#connection = connection;
    this.#options = options;
    this.#latest = latest;
    this.stdin = new InputStream({
      write: (offset, data, given) => this.#writeStdin(offset, data, given),
      close: (given) => this.#closeStdin(given),
    });
    const read = (given: LogOptions): AsyncIterable<LogEvent> => this.logs(given);
    this.stdout = new OutputStream("stdout", read);
    this.stderr = new OutputStream("stderr", read);
  }

  /** What the daemon last said, as it is on the wire. Throws before `start`, as the properties do that come from it. */
  get latest(): ProcessMessage {
    if (this.#latest === undefined) throw new Error("The process has not been started");
    return this.#latest;
  }

  get name(): string {
    return this.#latest?.name ?? this.#options.name ?? this.latest.name;
  }

  get uid(): string {
    return this.latest.uid;
  }

  /** Of the worker on the daemon's host, for people: signals go by name. */
  get pid(): number | undefined {
    return this.#latest?.status?.pid;
  }

  /** CPUs to which the kernel says that it is pinned. */
  get cpus(): readonly number[] {
    return this.#latest?.status?.cpus ?? [];
  }

  /** As this handle last learned: `refresh` asks. */
  get state(): State {
    return parseState(this.latest.status?.state);
  }

  /** How it ended, as soon as this handle has learned it: by `join`, `exited`, `stop`, `isAlive` or `refresh`. */
  get exit(): Exit | undefined {
    const record = this.#latest?.status?.exit;
    return record && parseExit(record);
  }

  /** As in Python, -N for death by signal N; undefined while `exit` is, null when nobody knows: `exit` then says why. */
  get exitCode(): number | null | undefined {
    const { exit } = this;
    return exit && exitCodeOf(exit);
  }

  /**
   * Starts the worker, and resolves when its program runs. Throws what CreateProcess answers, such as
   * InvalidArgumentError EXECUTABLE_NOT_FOUND. Calling it again, also after a failure, makes no second worker.
   */
  async start(options: SignalOption = {}): Promise<this> {
    const { process } = await this.#repeat(options, (call) =>
      this.#connection.processes.createProcess(
        { process: processMessage(this.#options), requestId: this.#requestId },
        call,
      ),
    );
    this.#learn(process);
    this.#owned = true;
    return this;
  }

  /** Waits for the end: true when it has ended, false when the wait ran out. */
  async join(options: JoinOptions = {}): Promise<boolean> {
    const deadline = deadlineAfter(options.timeoutMs);
    const condition = options.tree === true ? WaitCondition.TREE_ENDED : WaitCondition.ENDED;
    const { reached, process } = await this.#repeat(options, (call) =>
      this.#connection.processes.waitProcess(
        { ...this.#identity, condition, ...waitFor(deadline) },
        call,
      ),
    );
    this.#learn(process);
    return reached;
  }

  /** Resolves when the process has ended; the wait begins when this is first read. */
  get exited(): Promise<Exit> {
    this.#exited ??= this.join().then(() => this.#knownExit());
    return this.#exited;
  }

  /** Asks the daemon. False for a process that has not been started. */
  async isAlive(options: SignalOption = {}): Promise<boolean> {
    if (this.#latest === undefined) return false;
    await this.refresh(options);
    return this.exit === undefined;
  }

  /** Asks the daemon how things are. */
  async refresh(options: SignalOption = {}): Promise<this> {
    const { process } = await this.#repeat(options, (call) =>
      this.#connection.processes.getProcess(this.#identity, call),
    );
    this.#learn(process);
    return this;
  }

  /** Sends SIGTERM. False when the process had ended. */
  terminate(options: KillOptions = {}): Promise<boolean> {
    return this.#signalUnlessEnded("SIGTERM", options);
  }

  /** Sends SIGKILL. False when the process had ended. */
  kill(options: KillOptions = {}): Promise<boolean> {
    return this.#signalUnlessEnded("SIGKILL", options);
  }

  /**
   * Sends a signal by name or number. Throws ProcessEndedError. Not repeated: when it throws UnavailableError the signal
   * may have been sent.
   */
  async signal(signal: string | number, options: KillOptions = {}): Promise<void> {
    await this.#connection.processes.signalProcess(
      this.#signalRequest(signal, options),
      withSignal(options.signal),
    );
  }

  /** Ends it for good: the stop signal, the grace, then the whole tree is killed. Waits for the end of the worker. */
  async stop(options: StopOptions = {}): Promise<Stopped> {
    const deadline = deadlineAfter(options.timeoutMs);
    const request = { ...this.#identity, stop: stopPolicy(options), requestId: randomUUID() };
    const { outcome, process } = await this.#repeat(options, (call) =>
      this.#connection.processes.stopProcess({ ...request, ...waitFor(deadline) }, call),
    );
    this.#learn(process);
    return parseOutcome(outcome);
  }

  /** Both streams of output, with gaps as events. By default from the beginning until all have ended. */
  logs(options: LogOptions = {}): AsyncIterable<LogEvent> {
    return readLogs(this.#connection, this.#identity, options);
  }

  /**
   * Removes the record and the output. Throws ForkbusError PROCESS_RUNNING for one that is alive, unless `force`, which
   * kills its tree. Deleting what is not there is no error.
   */
  async delete(options: SignalOption & { readonly force?: boolean } = {}): Promise<void> {
    const { force = false } = options;
    await this.#repeat(options, (call) =>
      this.#connection.processes.deleteProcess({ ...this.#identity, force }, call),
    );
  }

  /**
   * What `await using` does: a process that this handle started is stopped, by its stop signal and its grace, and its
   * record removed. One that was attached to, or never started, is left alone.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#owned) return;
    this.#owned = false;
    try {
      await this.stop();
    } catch (error) {
      // Somebody else has removed it, or a new process has its name: either way ours is gone.
      if (error instanceof ForkbusError && isGone(error)) return;
      throw error;
    }
    await this.delete({ force: true });
  }

  get #identity(): ProcessIdentity {
    const { name, uid } = this.latest;
    return { name, uid };
  }

  #learn(process: ProcessMessage | undefined): void {
    if (process === undefined) return;
    // Answers may overtake each other.
    if (this.#latest === undefined || process.revision >= this.#latest.revision) {
      this.#latest = process;
    }
  }

  #knownExit(): Exit {
    const { exit } = this;
    if (exit === undefined) throw new Error(`${this.name} has ended without an exit record`);
    return exit;
  }

  #signalRequest(signal: string | number, { tree = false }: KillOptions) {
    const scope = tree ? SignalScope.TREE : SignalScope.WORKER;
    return { ...this.#identity, signal: String(signal), scope, requestId: randomUUID() };
  }

  /** Both signals do the same when they come twice, so this one may be repeated. */
  async #signalUnlessEnded(signal: "SIGTERM" | "SIGKILL", options: KillOptions): Promise<boolean> {
    const request = this.#signalRequest(signal, options);
    try {
      await this.#repeat(options, (call) =>
        this.#connection.processes.signalProcess(request, call),
      );
      return true;
    } catch (error) {
      if (error instanceof ProcessEndedError) return false;
      throw error;
    }
  }

  async #writeStdin(offset: bigint, data: Uint8Array, options: SignalOption): Promise<bigint> {
    // Without data it only asks for the offset, for which there is nothing to wait.
    const wait = data.length === 0 ? { waitMs: 0 } : {};
    const { nextOffset } = await this.#repeat(options, (call) =>
      this.#connection.processes.writeStdin({ ...this.#identity, offset, data, ...wait }, call),
    );
    return nextOffset;
  }

  async #closeStdin(options: SignalOption): Promise<void> {
    await this.#repeat(options, (call) =>
      this.#connection.processes.closeStdin(this.#identity, call),
    );
  }

  #repeat<T>({ signal }: SignalOption, call: (options: SignalOption) => Promise<T>): Promise<T> {
    return repeatWhileUnavailable(this.#connection, () => call(withSignal(signal)), signal);
  }
}

function isGone(error: ForkbusError): boolean {
  return error.code === "NOT_FOUND" || error.reason === "UID_MISMATCH";
}

const states: Readonly<Record<number, State>> = {
  [ProcessState.STARTING]: "starting",
  [ProcessState.RUNNING]: "running",
  [ProcessState.STOPPING]: "stopping",
  [ProcessState.EXITED]: "exited",
  [ProcessState.LOST]: "lost",
};

function parseState(state: ProcessState | undefined): State {
  return states[state ?? ProcessState.UNSPECIFIED] ?? "unknown";
}

const outcomes: Readonly<Record<number, Stopped>> = {
  [StopOutcome.GRACEFUL]: "graceful",
  [StopOutcome.KILLED]: "killed",
  [StopOutcome.ALREADY_ENDED]: "already-ended",
};

function parseOutcome(outcome: StopOutcome): Stopped {
  return outcomes[outcome] ?? "pending";
}
