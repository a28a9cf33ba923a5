import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { type ProcessUid } from "../core/ids.js";
import { type ProcessResult } from "../processes/process-result.js";
import { MAX_PAYLOAD_BYTES } from "../processes/target.js";
import { type TemplateFailure, type ZygoteReport } from "../templates/zygote-report.js";
import { type ZygoteFiles } from "../templates/zygote-supervisor.js";

/** A header line is texts of at most 64 KiB each, escaped. */
const MAX_HEADER_BYTES = 2 * 1024 * 1024;
const MAX_FILE_BYTES = 8 * 1024 * 1024;
/** Most headers fit. */
const OUTLINE_BYTES = 4096;
const TAIL_BYTES = 4096;
/** Where workers have the keeper's user, what lies there can be theirs: it must neither lead elsewhere nor make us wait. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const NO_FILE: ReadonlySet<unknown> = new Set(["ENOENT", "EACCES", "ELOOP", "ENXIO"]);

const exception = z.object({ type: z.string(), message: z.string(), traceback: z.string() });
const bytes = z.number().int().nonnegative().max(MAX_PAYLOAD_BYTES);

const header = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("value"), encoding: z.string(), bytes }),
  exception.extend({ kind: z.literal("exception"), encoding: z.string(), bytes }),
  z.object({
    kind: z.literal("ready"),
    runtime: z.string(),
    modules: z.array(z.object({ name: z.string(), loadUs: z.number() })),
    threads: z.array(z.string()),
    openFiles: z.array(z.string()),
    canFork: z.boolean(),
    why: z.string(),
    bytes,
  }),
  z.object({
    kind: z.literal("failed"),
    module: z.string(),
    exception: exception.nullable(),
    message: z.string(),
    threads: z.array(z.string()),
    openFiles: z.array(z.string()),
    bytes,
  }),
]);

type Header = z.output<typeof header>;

interface ResultFile {
  readonly head: Header;
  readonly body: Buffer;
}

const NO_BYTES = Buffer.alloc(0);

/** What processes say at their end, and zygotes when they are ready: docs/FORK-SERVERS.md, "The result file". */
export class ResultFiles implements ZygoteFiles {
  readonly #directory: () => string;

  constructor(directory: () => string) {
    this.#directory = directory;
  }

  /** Null where there is none, or it was never finished. */
  async result(uid: ProcessUid): Promise<ProcessResult | null> {
    return resultOf(await this.#read(uid, MAX_FILE_BYTES));
  }

  async outline(uid: ProcessUid): Promise<ProcessResult | null> {
    return resultOf(await this.#read(uid, OUTLINE_BYTES));
  }

  async report(uid: ProcessUid): Promise<ZygoteReport | TemplateFailure | null> {
    const head = (await this.#read(uid, MAX_FILE_BYTES))?.head;
    switch (head?.kind) {
      case "ready": {
        const { runtime, modules, threads, openFiles, canFork, why } = head;
        return { runtimeVersion: runtime, modules, threads, openFiles, canFork, why };
      }
      case "failed": {
        const { module, exception: raised, message, threads, openFiles } = head;
        return { module, exception: raised, message, threads, openFiles, stderrTail: "" };
      }
      case "value":
      case "exception":
      case undefined:
        return null;
    }
  }

  async tail(uid: ProcessUid, stream: "stdout" | "stderr"): Promise<string> {
    const end = await readFile(join(this.#directory(), uid, stream), -TAIL_BYTES);
    return end?.content.toString() ?? "";
  }

  /** The body is empty where it is not among the first `most` bytes. */
  async #read(uid: ProcessUid, most: number): Promise<ResultFile | null> {
    const file = await readFile(join(this.#directory(), uid, "result"), most);
    if (file === null) return null;
    const { content, size } = file;
    const end = content.indexOf("\n");
    if (end < 0) return most < MAX_FILE_BYTES ? this.#read(uid, MAX_FILE_BYTES) : null;
    if (end > MAX_HEADER_BYTES) return null;
    const parsed = header.safeParse(parseJson(content.toString("utf8", 0, end)));
    if (!parsed.success || size - end - 1 !== parsed.data.bytes) return null;
    if (content.length === size) return { head: parsed.data, body: content.subarray(end + 1) };
    return most < MAX_FILE_BYTES ? { head: parsed.data, body: NO_BYTES } : null;
  }
}

function resultOf(file: ResultFile | null): ProcessResult | null {
  if (file === null) return null;
  const { head, body: data } = file;
  switch (head.kind) {
    case "value":
      return { kind: "value", encoding: head.encoding, data, sizeBytes: head.bytes };
    case "exception": {
      const { type, message, traceback, encoding } = head;
      const payload = encoding === "" ? null : { encoding, data };
      return { kind: "exception", type, message, traceback, payload, sizeBytes: head.bytes };
    }
    case "ready":
    case "failed":
      return null;
  }
}

/** The first bytes, or with a negative number the last; null where there is no such file, or it is none. */
async function readFile(
  path: string,
  most: number,
): Promise<{ readonly content: Buffer; readonly size: number } | null> {
  try {
    await using file = await open(path, OPEN_FLAGS);
    const stat = await file.stat();
    if (!stat.isFile()) return null;
    const { size } = stat;
    const length = Math.min(size, Math.abs(most));
    const { buffer, bytesRead } = await file.read(
      Buffer.alloc(length),
      0,
      length,
      most < 0 ? size - length : 0,
    );
    return { content: buffer.subarray(0, bytesRead), size };
  } catch (error) {
    if (error instanceof Error && "code" in error && NO_FILE.has(error.code)) return null;
    throw error;
  }
}

/** Undefined where it is none: a file is the worker's own to write. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
