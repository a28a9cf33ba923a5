import * as proto from "../../proto/gen/forkbus/v1/process.js";
import { principalName } from "../auth/principal.js";
import { DomainError, invalidField } from "../core/errors.js";
import { parseLabels } from "../core/labels.js";
import { linkSignals } from "../core/link-signals.js";
import { merge } from "../core/merge.js";
import { parseName, parseNamePrefix, parseRequestId } from "../core/names.js";
import { mayWait } from "../cpus/cpu-request.js";
import { OutputReader, type OutputReaderParts } from "../processes/output-reader.js";
import { type LogEvent, type OutputFiles } from "../processes/output.js";
import { type ProcessRecord } from "../processes/process-record.js";
import { type ProcessResults } from "../processes/process-result.js";
import { hasEnded, type OutputExtents, type Requester } from "../processes/process-state.js";
import { type ProcessFilter } from "../processes/process-table.js";
import { type Processes, type ProcessRef, type WaitCondition } from "../processes/processes.js";
import { parseSignal } from "../processes/signals.js";
import { type CallContext } from "./call-context.js";
import { fromLogEvent, toStart, toStreams } from "./convert/logs.js";
import { fromRecord, nameOnly, toStateKind, toUid } from "./convert/process.js";
import { fromResult } from "./convert/function-target.js";
import { toArguments, toSpec, toStopPolicy, unknownValue } from "./convert/process-spec.js";
import { decodePageToken, encodePageToken, pageSize } from "./page-token.js";
import { type Handlers } from "./service-shape.js";

/** What a process has written when it starts. */
const EMPTY: OutputExtents = {
  stdout: { epoch: 0, begin: 0, end: 0 },
  stderr: { epoch: 0, begin: 0, end: 0 },
};

const MAX_STDIN_BYTES = 1024 * 1024;
const MAX_WAITED_NAMES = 10_000;
/** No system writes a file out and forgets it so soon. */
const RECENT_MS = 1000;

/** Where both output files of a process are now; undefined when they are not there. */
export type OutputPositions = (record: ProcessRecord) => Promise<OutputExtents | undefined>;

/** Requests to domain calls, and back: no decisions here. */
export class ProcessService implements Handlers<typeof proto.ProcessServiceDefinition> {
  readonly #processes: Processes;
  readonly #files: OutputFiles;
  readonly #positions: OutputPositions;
  readonly #results: ProcessResults;
  readonly #reading: OutputReaderParts;
  readonly #stopping: AbortSignal;

  /** `stopping` ends every wait, with its reason, when the daemon is about to go. */
  constructor(
    processes: Processes,
    files: OutputFiles,
    positions: OutputPositions,
    results: ProcessResults,
    reading: OutputReaderParts,
    stopping: AbortSignal,
  ) {
    this.#processes = processes;
    this.#files = files;
    this.#positions = positions;
    this.#results = results;
    this.#reading = reading;
    this.#stopping = stopping;
  }

  readonly createProcess = async (
    { process, requestId }: proto.CreateProcessRequest,
    context: CallContext,
  ): Promise<proto.CreateProcessResponse> => {
    this.#stopping.throwIfAborted();
    const name = process?.name ?? "";
    const order = {
      owner: principalName(context.principal),
      name: name === "" ? null : parseName("name", name),
      labels: toLabels("labels", process?.labels ?? {}),
      spec: toSpec(process?.spec),
      arguments: toArguments(process?.spec),
      requestId: requestId === "" ? null : parseRequestId("request_id", requestId),
    };
    const isNew = !this.#processes.hasCreated(order.owner, order.requestId);
    // One that waits for CPUs ends with the call, and with the daemon.
    using waiting = mayWait(order.spec.cpus)
      ? linkSignals(context.signal, this.#stopping)
      : undefined;
    const record = await this.#processes.create(order, waiting?.signal);
    // Its output begins now: creates are frequent, and need no look at files.
    if (isNew && record.state.kind === "running") {
      return { process: fromRecord(record, EMPTY, undefined) };
    }
    return { process: await this.#show(record) };
  };

  readonly getProcess = async (
    request: proto.GetProcessRequest,
  ): Promise<proto.GetProcessResponse> => {
    return { process: await this.#show(this.#processes.get(toRef(request))) };
  };

  readonly listProcesses = async (
    request: proto.ListProcessesRequest,
  ): Promise<proto.ListProcessesResponse> => {
    const filter: ProcessFilter = {
      namePrefix: parseNamePrefix("name_prefix", request.namePrefix),
      labels: toLabels("labels", request.labels),
      states: request.states.map(toStateKind),
    };
    const after = decodePageToken(filter, request.pageToken);
    const page = this.#processes.list(filter, after, pageSize(request.pageSize));
    return {
      processes: await Promise.all(page.items.map((record) => this.#show(record, true))),
      nextPageToken: encodePageToken(filter, page.lastName),
    };
  };

  readonly deleteProcess = async (
    request: proto.DeleteProcessRequest,
    { principal, signal }: CallContext,
  ): Promise<proto.DeleteProcessResponse> => {
    const requester = { principal: principalName(principal), requestId: "" };
    using linked = linkSignals(signal, this.#stopping);
    await this.#processes.delete(toRef(request), request.force, requester, linked.signal);
    return {};
  };

  readonly waitProcess = async (
    request: proto.WaitProcessRequest,
    { signal }: CallContext,
  ): Promise<proto.WaitProcessResponse> => {
    using linked = linkSignals(signal, this.#stopping);
    const { reached, record } = await this.#processes.wait(
      toRef(request),
      toCondition(request.condition),
      request.waitMs ?? null,
      linked.signal,
    );
    return { reached, process: await this.#show(record) };
  };

  readonly waitProcesses = (
    request: proto.WaitProcessesRequest,
    { signal }: CallContext,
  ): AsyncIterable<proto.WaitProcessesResponse> => {
    return this.#waitProcesses(request, signal);
  };

  readonly signalProcess = async (
    request: proto.SignalProcessRequest,
    { principal }: CallContext,
  ): Promise<proto.SignalProcessResponse> => {
    const signal = parseSignal(request.signal);
    const requester = toRequester(principalName(principal), request.requestId);
    await this.#processes.signal(toRef(request), { ...requester, signal }, toScope(request.scope));
    return {};
  };

  readonly stopProcess = async (
    request: proto.StopProcessRequest,
    { principal, signal }: CallContext,
  ): Promise<proto.StopProcessResponse> => {
    using linked = linkSignals(signal, this.#stopping);
    const { outcome, record } = await this.#processes.stop(
      toRef(request),
      toStopPolicy(request.stop),
      toRequester(principalName(principal), request.requestId),
      request.waitMs ?? null,
      linked.signal,
    );
    return { outcome: OUTCOMES[outcome], process: await this.#show(record) };
  };

  readonly writeStdin = async (
    request: proto.WriteStdinRequest,
    { signal }: CallContext,
  ): Promise<proto.WriteStdinResponse> => {
    const { offset, data, waitMs } = request;
    if (data.length > MAX_STDIN_BYTES) {
      throw invalidField(
        "data",
        String(data.length),
        `data has ${data.length} bytes, at most ${MAX_STDIN_BYTES} can be written at once`,
      );
    }
    using linked = linkSignals(signal, this.#stopping);
    const nextOffset = await this.#processes.writeStdin(
      toRef(request),
      offset,
      data,
      waitMs ?? null,
      linked.signal,
    );
    return { nextOffset };
  };

  readonly closeStdin = async (
    request: proto.CloseStdinRequest,
  ): Promise<proto.CloseStdinResponse> => {
    await this.#processes.closeStdin(toRef(request));
    return {};
  };

  readonly releaseProcess = async (
    request: proto.ReleaseProcessRequest,
  ): Promise<proto.ReleaseProcessResponse> => {
    await this.#processes.release(toRef(request));
    return {};
  };

  readonly readLogs = (
    request: proto.ReadLogsRequest,
    { signal }: CallContext,
  ): AsyncIterable<proto.ReadLogsResponse> => {
    return this.#readLogs(request, signal);
  };

  async *#waitProcesses(
    request: proto.WaitProcessesRequest,
    signal: AbortSignal,
  ): AsyncIterable<proto.WaitProcessesResponse> {
    const names = request.names.map((name) => parseName("names", name));
    if (names.length === 0 || names.length > MAX_WAITED_NAMES) {
      throw invalidField(
        "names",
        String(names.length),
        `names holds ${names.length} names, from 1 to ${MAX_WAITED_NAMES} can be waited for`,
      );
    }
    if (new Set(names).size < names.length) {
      throw invalidField("names", "", "names holds a name twice");
    }
    const count = request.minReached === 0 ? names.length : request.minReached;
    if (count > names.length) {
      throw invalidField(
        "min_reached",
        String(count),
        `min_reached is ${count}, and there are ${names.length} names`,
      );
    }
    const limit = { count, waitMs: request.waitMs ?? null };
    const condition = toCondition(request.condition);
    using linked = linkSignals(signal, this.#stopping);
    for await (const { name, record } of this.#processes.waitForMany(
      names,
      condition,
      limit,
      linked.signal,
    )) {
      yield record === undefined
        ? { reached: false, process: nameOnly(name) }
        : { reached: true, process: await this.#show(record) };
    }
  }

  async *#readLogs(
    request: proto.ReadLogsRequest,
    signal: AbortSignal,
  ): AsyncIterable<proto.ReadLogsResponse> {
    // The files of what is being started are there when its program runs.
    const { uid } = await this.#processes.started(toRef(request));
    const streams = toStreams(request.stream);
    const files = await Promise.all(streams.map((stream) => this.#files.open(uid, stream)));
    // When this stream ends early, the readers that wait are told so.
    const left = new AbortController();
    using linked = linkSignals(signal, left.signal, this.#stopping);
    try {
      const events: AsyncIterable<LogEvent>[] = [];
      streams.forEach((stream, index) => {
        const file = files[index];
        if (file === undefined) return;
        const reader = new OutputReader(this.#reading, uid, stream, file);
        events.push(reader.read(toStart(request.start, stream), request.follow, linked.signal));
      });
      for await (const event of merge(events)) yield fromLogEvent(event);
    } finally {
      left.abort(new DomainError("process-ended", "The reader has gone"));
      await Promise.all(files.map((file) => file[Symbol.asyncDispose]()));
    }
  }

  /** `brief`: in lists. */
  async #show(record: ProcessRecord, brief = false): Promise<proto.Process> {
    const [output, result] = await Promise.all([
      this.#positions(record),
      this.#result(record, brief),
    ]);
    return fromRecord(record, output, result === null ? undefined : fromResult(result, brief));
  }

  #result(
    { spec, state, uid }: ProcessRecord,
    brief: boolean,
  ): ReturnType<ProcessResults["result"]> {
    if (spec.target.kind === "exec" || !hasEnded(state)) return Promise.resolve(null);
    if (brief) return this.#results.outline(uid);
    const endedMs = state.kind === "exited" ? state.exit.endTimeMs : 0;
    const isRecent = this.#reading.clock.wallTime() - endedMs < RECENT_MS;
    const recent = isRecent ? this.#results.recent(uid) : undefined;
    return recent === undefined ? this.#results.result(uid) : Promise.resolve(recent);
  }
}

function toRef({ name, uid }: { readonly name: string; readonly uid: string }): ProcessRef {
  return { name: parseName("name", name), uid: toUid(uid) };
}

function toRequester(principal: string, requestId: string): Requester {
  return {
    principal,
    requestId: requestId === "" ? "" : parseRequestId("request_id", requestId),
  };
}

function toLabels(
  field: string,
  labels: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(parseLabels(field, Object.entries(labels)));
}

function toCondition(condition: proto.WaitCondition): WaitCondition {
  switch (condition) {
    case proto.WaitCondition.UNSPECIFIED:
    case proto.WaitCondition.ENDED:
      return "ended";
    case proto.WaitCondition.TREE_ENDED:
      return "tree-ended";
    case proto.WaitCondition.UNRECOGNIZED:
    default:
      throw unknownValue("condition", condition);
  }
}

function toScope(scope: proto.SignalScope): "worker" | "tree" {
  switch (scope) {
    case proto.SignalScope.UNSPECIFIED:
    case proto.SignalScope.WORKER:
      return "worker";
    case proto.SignalScope.TREE:
      return "tree";
    case proto.SignalScope.UNRECOGNIZED:
    default:
      throw unknownValue("scope", scope);
  }
}

const OUTCOMES = {
  unknown: proto.StopOutcome.UNSPECIFIED,
  graceful: proto.StopOutcome.GRACEFUL,
  killed: proto.StopOutcome.KILLED,
  "already-ended": proto.StopOutcome.ALREADY_ENDED,
} as const;
