import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
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
/** Most results are smaller. */
const SMALL_BYTES = 16 * 1024;
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

/** Of a file of this size. */
interface FilePart {
  readonly content: Buffer;
  readonly size: number;
}

const NO_BYTES = Buffer.alloc(0);

/** What processes say at their end, and zygotes when they are ready: docs/FORK-SERVERS.md, "The result file". */
export class ResultFiles implements ZygoteFiles {
  readonly #directory: () => string;

  constructor(directory: () => string) {
    this.#directory = directory;
  }

  recent(uid: ProcessUid): ProcessResult | null | undefined {
    const file = readSmall(this.#path(uid));
    return file === undefined ? undefined : resultOf(parse(file));
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
    const file = await readFile(this.#path(uid), most);
    const isCut = file !== null && file.content.length < file.size;
    if (isCut && most < MAX_FILE_BYTES && !file.content.includes("\n")) {
      return this.#read(uid, MAX_FILE_BYTES);
    }
    return parse(file);
  }

  #path(uid: ProcessUid): string {
    return join(this.#directory(), uid, "result");
  }
}

/** Null where it was never finished, or its header is cut. The body is empty where that is. */
function parse(file: FilePart | null): ResultFile | null {
  const end = file?.content.indexOf("\n") ?? -1;
  if (file === null || end < 0 || end > MAX_HEADER_BYTES) return null;
  const { content, size } = file;
  const parsed = header.safeParse(parseJson(content.toString("utf8", 0, end)));
  if (!parsed.success || size - end - 1 !== parsed.data.bytes) return null;
  const body = content.length === size ? content.subarray(end + 1) : NO_BYTES;
  return { head: parsed.data, body };
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

/** All of it, at once; null where there is no such file, or it is none; undefined where it is long. */
function readSmall(path: string): FilePart | null | undefined {
  let file: number | undefined;
  try {
    file = openSync(path, OPEN_FLAGS);
    const stat = fstatSync(file);
    if (!stat.isFile()) return null;
    const { size } = stat;
    if (size > SMALL_BYTES) return undefined;
    const buffer = Buffer.alloc(size);
    return { content: buffer.subarray(0, readSync(file, buffer, 0, size, 0)), size };
  } catch (error) {
    if (isNoFile(error)) return null;
    throw error;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** The first bytes, or with a negative number the last; null where there is no such file, or it is none. */
async function readFile(path: string, most: number): Promise<FilePart | null> {
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
    if (isNoFile(error)) return null;
    throw error;
  }
}

function isNoFile(error: unknown): boolean {
  return error instanceof Error && "code" in error && NO_FILE.has(error.code);
}

/** Undefined where it is none: a file is the worker's own to write. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
