import { inspect } from "node:util";
import { createLogger, format, transports } from "winston";
import type { LogFields, Logger } from "./logger.js";

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface LoggerOptions {
  /** Events below it are dropped. */
  readonly level: LogLevel;
  /** One JSON object per line, or a line for people. */
  readonly format: "json" | "human";
}

/**
 * A logger on stderr. Writing never throws and never waits; a field that cannot be written as JSON
 * is written as text.
 */
export function createStderrLogger(options: LoggerOptions): Logger {
  const sink = createLogger({
    level: options.level,
    format:
      options.format === "json"
        ? format.combine(format.timestamp(), format.json())
        : format.combine(format.timestamp(), format.printf(humanLine)),
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- winston's own types disagree
    transports: [new transports.Console({ stderrLevels: ["error", "warn", "info", "debug"] })],
  });
  // A log that nobody reads any more must not stop the daemon.
  process.stderr.on("error", () => undefined);
  const write = (level: LogLevel, message: string, fields: LogFields = {}): void => {
    sink.log({ ...writable(fields), level, message });
  };
  return {
    debug: (message, fields) => {
      write("debug", message, fields);
    },
    info: (message, fields) => {
      write("info", message, fields);
    },
    warn: (message, fields) => {
      write("warn", message, fields);
    },
    error: (message, fields) => {
      write("error", message, fields);
    },
  };
}

function humanLine(event: Record<string | symbol, unknown>): string {
  const { timestamp, level, message, ...fields } = event;
  const text = Object.entries(fields).map(([key, value]) => `${key}=${inOneLine(value)}`);
  return [timestamp, level, message, ...text].map(String).join(" ");
}

function inOneLine(value: unknown): string {
  return typeof value === "string" && /^[\w./:@+-]+$/.test(value) ? value : JSON.stringify(value);
}

/** Fields as JSON can carry them. The names of the event itself are not theirs to set. */
function writable(fields: LogFields): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) {
    result[reserved.has(key) ? `${key}_` : key] = toJsonValue(value);
  }
  return result;
}

const reserved: ReadonlySet<string> = new Set(["level", "message", "timestamp"]);

function toJsonValue(value: unknown): unknown {
  if (value instanceof Error) return inspect(value, { depth: 3 });
  if (typeof value === "bigint") return value.toString();
  try {
    // Undefined for what JSON has no word for, whatever the declaration says.
    const text: unknown = JSON.stringify(value);
    return typeof text === "string" ? (JSON.parse(text) as unknown) : inspect(value);
  } catch {
    // Cycles, bigints inside, a toJSON that throws: people can read those too.
    return inspect(value, { depth: 3 });
  }
}
