import {
  LogGapReason,
  LogStream,
  type ReadLogsRequest,
  type ReadLogsResponse,
} from "../../proto/gen/forkbus/v1/process.js";
import type { LogOffset } from "../../proto/gen/forkbus/v1/types.js";
import type { Connection } from "./connection.js";
import { Outage, repeatWhileUnavailable } from "./retry.js";
import { type SignalOption, withSignal } from "./wait-options.js";

export type StreamName = "stdout" | "stderr";

/** A place in a stream of output. The epoch grows when someone truncates the worker's output file. */
export type LogPosition = LogOffset;

export type LogEvent =
  /** Bytes as the worker wrote them; cuts fall anywhere. `position` is that of the first. */
  | {
      readonly kind: "chunk";
      readonly stream: StreamName;
      readonly position: LogPosition;
      readonly data: Uint8Array;
    }
  /** Bytes that can no longer be read. */
  | {
      readonly kind: "gap";
      readonly stream: StreamName;
      readonly from: LogPosition;
      readonly to: LogPosition;
      readonly reason: "retention" | "truncated" | "unknown";
    }
  /** No more bytes come on this stream. */
  | { readonly kind: "end"; readonly stream: StreamName; readonly position: LogPosition };

export interface LogOptions extends SignalOption {
  /** Default: both, which lie to each other in no particular order. */
  readonly stream?: StreamName;
  /** Go on until the worker and its tree have ended. Default true. */
  readonly follow?: boolean;
  /** Begin at the last n lines of each stream. */
  readonly tailLines?: number;
  /** Begin here, such as after the last chunk of an earlier read; a stream that is not named begins at its beginning. */
  readonly from?: Readonly<Partial<Record<StreamName, LogPosition>>>;
}

export interface ProcessIdentity {
  readonly name: string;
  readonly uid: string;
}

type Positions = Partial<Record<StreamName, LogPosition>>;

/**
 * Reads output, and resumes at the byte where it was when the connection breaks, so that no byte comes twice or is
 * missing. Ends after the last event; ending the iteration early ends the call.
 */
export async function* readLogs(
  connection: Connection,
  identity: ProcessIdentity,
  options: LogOptions,
): AsyncGenerator<LogEvent, void, undefined> {
  const { signal, stream, follow = true } = options;
  const wanted: readonly StreamName[] = stream === undefined ? ["stdout", "stderr"] : [stream];
  const positions: Positions = { ...options.from };
  const ended = new Set<StreamName>();
  const outage = new Outage(connection);
  // A tail that breaks after an event of one stream alone goes on in the other at what was its end when it began.
  const fallback = options.tailLines === undefined ? {} : await ends(connection, identity, signal);
  let begun = false;
  while (!follow || ended.size < wanted.length) {
    outage.attempt();
    const request = {
      ...identity,
      stream: streamNumber(stream),
      follow,
      start: start(begun ? { ...fallback, ...positions } : positions, begun, options.tailLines),
    };
    try {
      for await (const response of connection.processes.readLogs(request, withSignal(signal))) {
        outage.over();
        const event = parseEvent(response);
        if (event === undefined || ended.has(event.stream)) continue;
        begun = true;
        positions[event.stream] = positionAfter(event);
        if (event.kind === "end") ended.add(event.stream);
        yield event;
      }
      return;
    } catch (error) {
      await outage.pause(error, signal);
    }
  }
}

function start(
  positions: Positions,
  begun: boolean,
  tailLines: number | undefined,
): ReadLogsRequest["start"] {
  if (tailLines !== undefined && !begun) return { $case: "tailLines", value: tailLines };
  const { stdout, stderr } = positions;
  return { $case: "positions", value: { stdout, stderr } };
}

async function ends(
  connection: Connection,
  identity: ProcessIdentity,
  signal: AbortSignal | undefined,
): Promise<Positions> {
  const { process } = await repeatWhileUnavailable(
    connection,
    () => connection.processes.getProcess(identity, withSignal(signal)),
    signal,
  );
  const stdout = process?.status?.stdout?.end;
  const stderr = process?.status?.stderr?.end;
  return { ...(stdout && { stdout }), ...(stderr && { stderr }) };
}

function streamNumber(stream: StreamName | undefined): LogStream {
  if (stream === undefined) return LogStream.UNSPECIFIED;
  return stream === "stdout" ? LogStream.STDOUT : LogStream.STDERR;
}

const beginning: LogPosition = { epoch: 0n, offset: 0n };

/** Undefined for an event that this client does not know. */
function parseEvent({ event }: ReadLogsResponse): LogEvent | undefined {
  if (event === undefined) return undefined;
  const stream = event.value.stream === LogStream.STDERR ? "stderr" : "stdout";
  switch (event.$case) {
    case "chunk": {
      const { position = beginning, data } = event.value;
      return { kind: "chunk", stream, position, data };
    }
    case "gap": {
      const { from = beginning, to = beginning, reason } = event.value;
      return { kind: "gap", stream, from, to, reason: gapReason(reason) };
    }
    case "end":
      return { kind: "end", stream, position: event.value.position ?? beginning };
  }
}

function gapReason(reason: LogGapReason): "retention" | "truncated" | "unknown" {
  if (reason === LogGapReason.RETENTION) return "retention";
  return reason === LogGapReason.TRUNCATED ? "truncated" : "unknown";
}

function positionAfter(event: LogEvent): LogPosition {
  switch (event.kind) {
    case "chunk": {
      const { epoch, offset } = event.position;
      return { epoch, offset: offset + BigInt(event.data.length) };
    }
    case "gap":
      return event.to;
    case "end":
      return event.position;
  }
}
