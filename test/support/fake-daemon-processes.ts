import { randomUUID } from "node:crypto";
import { type CallContext, Status } from "nice-grpc";
import {
  type CloseStdinResponse,
  type CreateProcessRequest,
  type CreateProcessResponse,
  type DeepPartial,
  type DeleteProcessRequest,
  type DeleteProcessResponse,
  ExitRecord,
  type GetProcessResponse,
  type ListProcessesRequest,
  type ListProcessesResponse,
  LogStream,
  Process,
  type ProcessServiceImplementation,
  ProcessState,
  ProcessStatus,
  type ReadLogsRequest,
  type ReadLogsResponse,
  ProcessResult,
  type ReleaseProcessResponse,
  type SignalProcessResponse,
  type SignalProcessRequest,
  StopOutcome,
  type StopProcessResponse,
  type WaitProcessRequest,
  type WaitProcessResponse,
  type WaitProcessesResponse,
  type WriteStdinRequest,
  type WriteStdinResponse,
} from "../../proto/gen/forkbus/v1/process.js";
import { FakeFailure } from "./fake-daemon-failure.js";
import { until } from "./fake-daemon-until.js";

interface Named {
  readonly name: string;
  readonly uid: string;
}

/** One process: what the wire shows, and what the test controls. */
export class FakeWorker {
  message: Process;
  readonly signals: string[] = [];
  readonly output: Record<"stdout" | "stderr", Buffer> = {
    stdout: Buffer.alloc(0),
    stderr: Buffer.alloc(0),
  };
  /** Sent before the output, once, to whoever reads from the beginning. */
  gap: ReadLogsResponse | undefined;
  stdin = Buffer.alloc(0);
  stdinClosed = false;
  /** Bytes of stdin that one call can give. */
  pipeBytes = 8;

  constructor(message: Process) {
    this.message = message;
  }

  /** Ends as a worker does whose function has returned or raised. */
  finish(outcome: ProcessResult["outcome"]): void {
    this.end({ $case: "exitCode", value: outcome?.$case === "exception" ? 1 : 0 });
    this.learn({ result: ProcessResult.create({ outcome }) });
  }

  /** What the daemon learns of it meanwhile. */
  learn(status: DeepPartial<ProcessStatus>): void {
    const merged = ProcessStatus.create({ ...this.message.status, ...status });
    const revision = this.message.revision + 1n;
    this.message = Process.create({ ...this.message, revision, status: merged });
  }

  end(outcome: ExitRecord["outcome"]): void {
    const succeeded = outcome?.$case === "exitCode" && outcome.value === 0;
    const state = outcome?.$case === "lost" ? ProcessState.LOST : ProcessState.EXITED;
    this.message = Process.create({
      ...this.message,
      revision: this.message.revision + 1n,
      status: { ...this.message.status, state, exit: ExitRecord.create({ outcome, succeeded }) },
    });
  }

  get ended(): boolean {
    return this.message.status?.exit !== undefined;
  }

  write(stream: "stdout" | "stderr", text: string): void {
    this.output[stream] = Buffer.concat([this.output[stream], Buffer.from(text)]);
  }
}

/** The process service over workers that are only data. */
export class FakeProcesses implements ProcessServiceImplementation {
  readonly workers = new Map<string, FakeWorker>();
  readonly #requests = new Map<string, FakeWorker>();
  #pid = 1000;

  createProcess({
    process,
    requestId,
  }: CreateProcessRequest): Promise<DeepPartial<CreateProcessResponse>> {
    const known = this.#requests.get(requestId);
    if (known !== undefined) return Promise.resolve({ process: known.message });
    const pid = this.#pid++;
    const message = Process.create({
      ...process,
      name: process?.name === "" ? `process-${pid}` : (process?.name ?? ""),
      uid: randomUUID(),
      revision: 1n,
      status: { state: ProcessState.RUNNING, pid },
    });
    if (this.workers.has(message.name)) {
      throw new FakeFailure(Status.ALREADY_EXISTS, "PROCESS_EXISTS", `${message.name} exists`);
    }
    const worker = new FakeWorker(message);
    this.workers.set(message.name, worker);
    this.#requests.set(requestId, worker);
    return Promise.resolve({ process: message });
  }

  getProcess(request: Named): Promise<DeepPartial<GetProcessResponse>> {
    return Promise.resolve({ process: this.worker(request).message });
  }

  listProcesses({
    pageSize,
    pageToken,
    states,
  }: ListProcessesRequest): Promise<DeepPartial<ListProcessesResponse>> {
    const all = [...this.workers.values()]
      .map(({ message }) => message)
      .filter((message) => message.name > pageToken)
      .filter(({ status }) => states.length === 0 || states.includes(status?.state ?? 0))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    const processes = all.slice(0, pageSize || 100);
    const nextPageToken = processes.length < all.length ? (processes.at(-1)?.name ?? "") : "";
    return Promise.resolve({ processes, nextPageToken });
  }

  deleteProcess({ name, force }: DeleteProcessRequest): Promise<DeleteProcessResponse> {
    const worker = this.workers.get(name);
    if (worker !== undefined && !worker.ended && !force) {
      throw new FakeFailure(Status.FAILED_PRECONDITION, "PROCESS_RUNNING", `${name} is alive`);
    }
    this.workers.delete(name);
    return Promise.resolve({});
  }

  async waitProcess(
    request: WaitProcessRequest,
    { signal }: CallContext,
  ): Promise<DeepPartial<WaitProcessResponse>> {
    const worker = this.worker(request);
    const reached = await until(() => worker.ended, request.waitMs, signal);
    return { reached, process: worker.message };
  }

  async *waitProcesses(): AsyncGenerator<DeepPartial<WaitProcessesResponse>> {
    await Promise.reject(new FakeFailure(Status.UNIMPLEMENTED, "", "no test needs it"));
  }

  signalProcess(request: SignalProcessRequest): Promise<SignalProcessResponse> {
    const worker = this.worker(request);
    if (worker.ended) {
      throw new FakeFailure(
        Status.FAILED_PRECONDITION,
        "PROCESS_ENDED",
        `${request.name} has ended`,
      );
    }
    worker.signals.push(request.signal);
    return Promise.resolve({});
  }

  stopProcess(request: Named): Promise<DeepPartial<StopProcessResponse>> {
    const worker = this.worker(request);
    const outcome = worker.ended ? StopOutcome.ALREADY_ENDED : StopOutcome.GRACEFUL;
    if (!worker.ended) {
      worker.end({ $case: "signal", value: { number: 15, name: "SIGTERM", coreDumped: false } });
    }
    return Promise.resolve({ outcome, process: worker.message });
  }

  writeStdin(request: WriteStdinRequest): Promise<DeepPartial<WriteStdinResponse>> {
    const worker = this.worker(request);
    if (worker.stdinClosed) {
      throw new FakeFailure(Status.FAILED_PRECONDITION, "STDIN_NOT_OPEN", "stdin is closed");
    }
    const known = BigInt(worker.stdin.length) - request.offset;
    if (known < 0n) throw new FakeFailure(Status.OUT_OF_RANGE, "OFFSET_GAP", "bytes are missing");
    const fresh = request.data.subarray(Number(known)).subarray(0, worker.pipeBytes);
    worker.stdin = Buffer.concat([worker.stdin, fresh]);
    return Promise.resolve({ nextOffset: BigInt(worker.stdin.length) });
  }

  closeStdin(request: Named): Promise<CloseStdinResponse> {
    this.worker(request).stdinClosed = true;
    return Promise.resolve({});
  }

  releaseProcess(request: Named): Promise<ReleaseProcessResponse> {
    const worker = this.worker(request);
    if (worker.message.status?.servesForks !== true) {
      throw new FakeFailure(Status.FAILED_PRECONDITION, "FORKS_NOT_SERVED", "It serves no forks");
    }
    worker.learn({ servesForks: false });
    return Promise.resolve({});
  }

  async *readLogs(
    request: ReadLogsRequest,
    { signal }: CallContext,
  ): AsyncGenerator<DeepPartial<ReadLogsResponse>> {
    const worker = this.worker(request);
    const start = request.start?.$case === "positions" ? request.start.value : undefined;
    for (const [stream, name] of streams) {
      if (request.stream !== LogStream.UNSPECIFIED && request.stream !== stream) continue;
      let offset = Number(start?.[name]?.offset ?? 0);
      if (offset === 0 && worker.gap !== undefined) yield worker.gap;
      for (;;) {
        const data = worker.output[name].subarray(offset, offset + 4);
        if (data.length > 0) {
          const position = { epoch: 0n, offset: BigInt(offset) };
          yield { event: { $case: "chunk", value: { stream, position, data } } };
          offset += data.length;
        } else if (worker.ended || !request.follow) {
          break;
        } else {
          await until(() => worker.ended || worker.output[name].length > offset, undefined, signal);
        }
      }
      const position = { epoch: 0n, offset: BigInt(offset) };
      if (worker.ended) yield { event: { $case: "end", value: { stream, position } } };
    }
  }

  worker({ name, uid }: Named): FakeWorker {
    const worker = this.workers.get(name);
    if (worker === undefined) {
      throw new FakeFailure(Status.NOT_FOUND, "PROCESS_NOT_FOUND", `No process ${name}`);
    }
    if (uid !== "" && uid !== worker.message.uid) {
      throw new FakeFailure(Status.ABORTED, "UID_MISMATCH", `${name} is another process now`);
    }
    return worker;
  }
}

const streams = [
  [LogStream.STDOUT, "stdout"],
  [LogStream.STDERR, "stderr"],
] as const;
