import { closeSync, fstatSync, readSync } from "node:fs";

/** A function of a file or package, and how its arguments and its result are written. */
export interface FunctionCall {
  readonly function: string;
  readonly encoding: string;
  readonly resultEncoding: string;
}

/** What is called before the target is. */
export interface Preparation extends FunctionCall {
  /** Its arguments, in a worker; a template's are those of the specification. */
  readonly data: Buffer;
}

/** Of a limit: the kernel's number; null is unlimited. */
export type ResourceLimit = readonly [resource: number, soft: bigint | null, hard: bigint | null];

/** What a process that was not forked loads before anything else. */
export interface Prepared {
  readonly searchPath: readonly string[];
  readonly preload: readonly string[];
  readonly init: Preparation | null;
}

interface Specified extends Prepared {
  readonly id: string;
  readonly name: string;
  readonly title: string;
  /** The whole environment, or with `inherit` what is added to it; null leaves it. */
  readonly env: Readonly<Record<string, string>> | null;
  readonly inherit: boolean;
  readonly workingDir: string | null;
  readonly umask: number | null;
  readonly cpus: readonly number[] | null;
  readonly rlimits: readonly ResourceLimit[];
  /** The bytes of the arguments: of the target, or of a template's `init`. */
  readonly arguments: Buffer;
}

export interface WorkerSpecification extends Specified {
  readonly kind: "worker";
  readonly target: FunctionCall;
}

export interface ZygoteSpecification extends Specified {
  readonly kind: "zygote";
  /** What preloads may leave open; `*` stands for anything. */
  readonly keepFds: readonly string[];
}

/** Of a worker that is spawned before it is known what for. */
export interface PrestartedSpecification extends Specified {
  readonly kind: "prestarted";
}

/** What a process is to become: docs/FORK-SERVERS.md, "The specification". */
export type Specification = WorkerSpecification | ZygoteSpecification | PrestartedSpecification;

/** Reads the whole file, and closes it, unless another one will come in it. Throws what is wrong with it. */
export function takeSpecification(file: number): Specification {
  const bytes = Buffer.allocUnsafe(fstatSync(file).size);
  let length = 0;
  while (length < bytes.length) {
    const got = readSync(file, bytes, length, bytes.length - length, length);
    if (got === 0) break;
    length += got;
  }
  const specification = parseSpecification(bytes.subarray(0, length));
  if (specification.kind !== "prestarted") closeSync(file);
  return specification;
}

export function parseSpecification(bytes: Buffer): Specification {
  if (bytes.length < 4) throw new Error(`A specification of ${bytes.length} bytes`);
  const end = 4 + bytes.readUInt32LE(0);
  if (end > bytes.length) throw new Error(`A specification that ends before its ${end} bytes`);
  const value: unknown = JSON.parse(bytes.toString("utf8", 4, end));
  if (!isRecord(value)) throw new Error("A specification that is no object");
  const common: Specified = {
    id: stringOf(value, "id"),
    name: stringOf(value, "name"),
    title: stringOf(value, "title"),
    env: value["env"] === null ? null : stringsOf(value["env"]),
    inherit: value["inherit"] === true,
    workingDir: value["workingDir"] === null ? null : stringOf(value, "workingDir"),
    umask: value["umask"] === null ? null : Number(value["umask"]),
    cpus: value["cpus"] === null ? null : listOf(value, "cpus").map(Number),
    rlimits: listOf(value, "rlimits").map(limitOf),
    searchPath: listOf(value, "searchPath").map(String),
    preload: listOf(value, "preload").map(String),
    init: value["init"] === null ? null : preparationOf(value["init"]),
    arguments: bytes.subarray(end),
  };
  const kind = stringOf(value, "kind");
  if (kind === "worker") return { ...common, kind, target: callOf(value["target"]) };
  if (kind === "zygote") return { ...common, kind, keepFds: listOf(value, "keepFds").map(String) };
  if (kind === "prestarted") return { ...common, kind };
  throw new Error(`A specification of the kind ${kind}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function stringOf(value: Record<string, unknown>, key: string): string {
  const found = value[key];
  if (typeof found !== "string") throw new Error(`A specification whose ${key} is no text`);
  return found;
}

function listOf(value: Record<string, unknown>, key: string): readonly unknown[] {
  const found: unknown = value[key];
  if (!Array.isArray(found)) throw new Error(`A specification whose ${key} is no list`);
  return found;
}

function stringsOf(value: unknown): Readonly<Record<string, string>> {
  if (!isRecord(value)) throw new Error("A specification whose env is no object");
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, String(each)]));
}

function callOf(value: unknown): FunctionCall {
  if (!isRecord(value)) throw new Error("A specification with a function that is no object");
  return {
    function: stringOf(value, "function"),
    encoding: stringOf(value, "encoding"),
    resultEncoding: stringOf(value, "resultEncoding"),
  };
}

function preparationOf(value: unknown): Preparation {
  const call = callOf(value);
  const data = isRecord(value) ? value["data"] : undefined;
  return { ...call, data: Buffer.from(typeof data === "string" ? data : "", "base64") };
}

function limitOf(value: unknown): ResourceLimit {
  const parts: readonly unknown[] = Array.isArray(value) ? value : [];
  const [resource, soft, hard] = parts;
  const bound = (each: unknown): bigint | null => {
    if (each === null) return null;
    if (typeof each !== "string")
      throw new Error("A limit is a number, a text or null, and another");
    return BigInt(each);
  };
  return [Number(resource), bound(soft), bound(hard)];
}
