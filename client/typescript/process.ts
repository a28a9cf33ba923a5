import { randomUUID } from "node:crypto";
import {
  type Process as ProcessMessage,
  SignalScope,
  StopOutcome,
  WaitCondition,
} from "../../proto/gen/forkbus/v1/process.js";
import type { Connection } from "./connection.js";
import { ForkbusError, ProcessEndedError, TimedOutError } from "./errors.js";
import type { Exit } from "./exit.js";
import { checkProcessOptions } from "./known-options.js";
import { exitOf, KnownProcess } from "./known-process.js";
import { type LogEvent, type LogOptions, type ProcessIdentity, readLogs } from "./logs.js";
import { decodeValue, type Payload } from "./payload.js";
import { processMessage, type ProcessOptions, stopPolicy } from "./process-options.js";
import { refuseProgram, resultOf } from "./process-result.js";
import { repeatWhileUnavailable } from "./retry.js";
import { InputStream, OutputStream } from "./stdio.js";
import {
  deadlineAfter,
  type SignalOption,
  waitFor,
  type WaitOptions,
  withSignal,
} from "./wait-options.js";

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
export class Process extends KnownProcess implements AsyncDisposable {
  /** Writable when the process was created with `openStdin`. */
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly #connection: Connection;
  readonly #options: ProcessOptions;
  /** One for all attempts to start, so that they make one worker. */
  readonly #requestId = randomUUID();
  #owned = false;
  #exited: Promise<Exit> | undefined;

  /** Programs use `Client.process` and `Client.attach`. */
  constructor(connection: Connection, options: ProcessOptions, latest?: ProcessMessage) {
    super(options.name, latest);
    checkProcessOptions(options);
    this.#connection = connection;
    this.#options = options;
    this.stdin = new InputStream({
      write: (offset, data, given) => this.#writeStdin(offset, data, given),
      close: (given) => this.#closeStdin(given),
    });
    const read = (given: LogOptions): AsyncIterable<LogEvent> => this.logs(given);
    this.stdout = new OutputStream("stdout", read);
    this.stderr = new OutputStream("stderr", read);
  }

  /**
   * Starts the worker, and resolves when its program runs. Throws what CreateProcess answers, such as
   * InvalidArgumentError EXECUTABLE_NOT_FOUND or TemplateFailedError; whether a function exists is found out in the
   * worker, and told by `result`. Calling it again, also after a failure, makes no second worker.
   */
  async start(options: SignalOption = {}): Promise<this> {
    const process = processMessage(this.#options, this.#connection.place);
    const answer = await this.#repeat(options, (call) =>
      this.#connection.processes.createProcess({ process, requestId: this.#requestId }, call),
    );
    this.learn(answer.process);
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
    this.learn(process);
    return reached;
  }

  /** Resolves when the process has ended; the wait begins when this is first read. */
  get exited(): Promise<Exit> {
    this.#exited ??= this.join().then(() => exitOf(this.latest));
    return this.#exited;
  }

  /**
   * Waits for the end, and returns what the function returned. Throws WorkerError when it raised, WorkerExitError when
   * the worker was killed or exited by itself, TimedOutError when the wait ran out, and a TypeError for a program and for
   * an encoding other than `json` and `raw` (whose value is bytes). May be asked any number of times, by any handle, as
   * long as the record is kept.
   */
  async result(options: WaitOptions = {}): Promise<unknown> {
    return decodeValue(await this.resultPayload(options));
  }

  /** The same without decoding: the bytes, and the label of their encoding. */
  async resultPayload(options: WaitOptions = {}): Promise<Payload> {
    refuseProgram(this.latest);
    if (!(await this.join(options))) {
      throw new TimedOutError(`${this.name} has not ended in ${options.timeoutMs ?? 0} ms`, {
        code: "DEADLINE_EXCEEDED",
      });
    }
    return resultOf(this.latest);
  }

  /** Asks the daemon. False for a process that has not been started. */
  async isAlive(options: SignalOption = {}): Promise<boolean> {
    if (!this.isStarted) return false;
    await this.refresh(options);
    return this.exit === undefined;
  }

  /** Asks the daemon how things are. */
  async refresh(options: SignalOption = {}): Promise<this> {
    const { process } = await this.#repeat(options, (call) =>
      this.#connection.processes.getProcess(this.#identity, call),
    );
    this.learn(process);
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
    this.learn(process);
    return parseOutcome(outcome);
  }

  /**
   * Tells a worker that serves forks to go on with its own work: its `serveForks()` returns. Those that were forked from
   * it live on. Throws ForkbusError FORKS_NOT_SERVED for one that serves none.
   */
  async release(options: SignalOption = {}): Promise<void> {
    let attempts = 0;
    try {
      await this.#repeat(options, (call) => {
        attempts += 1;
        return this.#connection.processes.releaseProcess(this.#identity, call);
      });
    } catch (error) {
      // The attempt before this one, whose answer was lost, has done it.
      const isDone = attempts > 1 && error instanceof ForkbusError;
      if (!(isDone && error.reason === "FORKS_NOT_SERVED")) throw error;
    }
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

const outcomes: Readonly<Record<number, Stopped>> = {
  [StopOutcome.GRACEFUL]: "graceful",
  [StopOutcome.KILLED]: "killed",
  [StopOutcome.ALREADY_ENDED]: "already-ended",
};

function parseOutcome(outcome: StopOutcome): Stopped {
  return outcomes[outcome] ?? "pending";
}
