import { type LogEvent } from "../../client/typescript/logs.js";
import { type Screen } from "../screen.js";
import { bytesJson } from "./item-json.js";
import { type JsonValue, jsonLine } from "./json.js";

type Gap = Extract<LogEvent, { readonly kind: "gap" }>;

/** The line that stands on stderr in place of bytes that cannot be read any more. */
export function describeGap(gap: Gap): string {
  const { from, to, stream, reason } = gap;
  if (from.epoch !== to.epoch || reason === "truncated") {
    return `[forkbus: ${stream} was truncated; how much of it was lost is not known]`;
  }
  const lost = to.offset - from.offset;
  const bytes = `${lost} ${lost === 1n ? "byte" : "bytes"} of ${stream}`;
  const verb = lost === 1n ? "was" : "were";
  return `[forkbus: ${bytes} ${verb} dropped${reason === "retention" ? " by retention" : ""}]`;
}

/** One event for programs: bytes as `text` when they are UTF-8, else as `base64`. */
export function logEventJson(event: LogEvent): JsonValue {
  switch (event.kind) {
    case "chunk":
      return { stream: event.stream, ...event.position, ...bytesJson(event.data) };
    case "gap":
      return {
        stream: event.stream,
        gap: { reason: event.reason, from: { ...event.from }, to: { ...event.to } },
      };
    case "end":
      return { stream: event.stream, end: { ...event.position } };
  }
}

/** Writes bytes to the stream of ours that they come from, as they are, and a note to stderr where some are missing. */
export async function writeLogEvent(screen: Screen, event: LogEvent): Promise<void> {
  switch (event.kind) {
    case "chunk":
      await (event.stream === "stdout" ? screen.out(event.data) : screen.err(event.data));
      break;
    case "gap":
      await screen.err(`${describeGap(event)}\n`);
      break;
    case "end":
      break;
  }
}

/** Writes one event as a line of JSON. */
export async function writeLogLine(screen: Screen, event: LogEvent): Promise<void> {
  await screen.out(jsonLine(logEventJson(event)));
}
