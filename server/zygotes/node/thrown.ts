import { inspect } from "node:util";

/** What was thrown, as records have it. */
export interface Thrown {
  readonly type: string;
  readonly message: string;
  readonly traceback: string;
}

const MOST_BYTES = 64 * 1024;

/** Anything can be thrown; what is no Error has no stack. */
export function describeThrown(thrown: unknown): Thrown {
  try {
    if (!(thrown instanceof Error)) {
      return { type: typeof thrown, message: cut(inspect(thrown)), traceback: "" };
    }
    return {
      type: cut(nameOf(thrown)),
      message: cut(thrown.message),
      traceback: cut(ofTheUser(thrown.stack ?? "")),
    };
  } catch {
    // It throws when it is looked at; that it was thrown is all there is to say.
    return { type: "unknown", message: "", traceback: "" };
  }
}

/** The whole of it for a reader of stderr: with its causes and properties. */
export function printThrown(thrown: unknown): string {
  try {
    return ofTheUser(inspect(thrown));
  } catch {
    return describeThrown(thrown).type;
  }
}

const OURS = [".", "../../../wire/"].map((folder) => new URL(folder, import.meta.url).href);

/** A stack without the lines that are our own code's. */
function ofTheUser(text: string): string {
  const isOurs = (line: string): boolean =>
    /^\s+at /.test(line) && OURS.some((folder) => line.includes(folder));
  return text
    .split("\n")
    .filter((line) => !isOurs(line))
    .join("\n");
}

/** Subclasses seldom set their name. */
function nameOf(error: Error): string {
  return error.name === "Error" ? error.constructor.name || "Error" : error.name;
}

export function cut(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= MOST_BYTES) return text;
  // Where a character is cut in two, its first half goes as well.
  return bytes.toString("utf8", 0, MOST_BYTES).replace(/\uFFFD$/, "");
}
