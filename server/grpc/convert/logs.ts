import * as proto from "../../../proto/gen/forkbus/v1/process.js";
import { type LogOffset as ProtoOffset } from "../../../proto/gen/forkbus/v1/types.js";
import { type LogStart } from "../../processes/output-reader.js";
import { type LogEvent, type LogOffset, type LogStreamName } from "../../processes/output.js";
import { unknownValue } from "./process-spec.js";

export function toStreams(stream: proto.LogStream): readonly LogStreamName[] {
  switch (stream) {
    case proto.LogStream.UNSPECIFIED:
      return ["stdout", "stderr"];
    case proto.LogStream.STDOUT:
      return ["stdout"];
    case proto.LogStream.STDERR:
      return ["stderr"];
    case proto.LogStream.UNRECOGNIZED:
    default:
      throw unknownValue("stream", stream);
  }
}

export function toStart(start: proto.ReadLogsRequest["start"], stream: LogStreamName): LogStart {
  switch (start?.$case) {
    case undefined:
      return { kind: "beginning" };
    case "tailLines":
      return { kind: "last-lines", lines: start.value };
    case "positions": {
      const position = start.value[stream];
      if (position === undefined) return { kind: "beginning" };
      return { kind: "position", position: toOffset(position) };
    }
  }
}

export function fromLogEvent(event: LogEvent): proto.ReadLogsResponse {
  const stream = STREAMS[event.stream];
  switch (event.kind) {
    case "chunk":
      return {
        event: {
          $case: "chunk",
          value: { stream, position: fromOffset(event.position), data: event.data },
        },
      };
    case "gap":
      return {
        event: {
          $case: "gap",
          value: {
            stream,
            from: fromOffset(event.from),
            to: fromOffset(event.to),
            reason:
              event.reason === "retention"
                ? proto.LogGapReason.RETENTION
                : proto.LogGapReason.TRUNCATED,
          },
        },
      };
    case "end":
      return { event: { $case: "end", value: { stream, position: fromOffset(event.position) } } };
  }
}

const STREAMS = {
  stdout: proto.LogStream.STDOUT,
  stderr: proto.LogStream.STDERR,
} as const satisfies Record<LogStreamName, proto.LogStream>;

function toOffset({ epoch, offset }: ProtoOffset): LogOffset {
  return { epoch: Number(epoch), offset: Number(offset) };
}

function fromOffset({ epoch, offset }: LogOffset): ProtoOffset {
  return { epoch: BigInt(epoch), offset: BigInt(offset) };
}
