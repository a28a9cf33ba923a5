import { DomainError, invalidField } from "../core/errors.js";

/** What a process runs. */
export type Target = ExecTarget | FunctionTarget;

/** Any program, started afresh. */
export interface ExecTarget {
  readonly kind: "exec";
  readonly path: string;
  readonly argv: readonly string[];
}

/** A function of a language that has fork servers. */
export interface FunctionTarget {
  readonly kind: Runtime;
  readonly origin: Origin;
  /** `module:function`, or `file#export`. */
  readonly function: string;
  readonly arguments: PayloadSummary;
  readonly resultEncoding: string;
  readonly modulePath: readonly string[];
  readonly mainFile: string | null;
}

export type Runtime = "python" | "node";

/** Where the worker comes from. */
export type Origin =
  | { readonly method: "spawn" | "forkserver"; readonly template: string }
  /** Forked from a live worker, by the name of its process. */
  | { readonly method: "fork"; readonly process: string };

export type StartMethod = Origin["method"];

/** Of bytes that are not kept with the record: enough to tell whether others are the same. */
export interface PayloadSummary {
  readonly encoding: string;
  readonly bytes: number;
  readonly digest: string;
}

/** Arguments and results. With its specification, one fits in a message to the keeper. */
export const MAX_PAYLOAD_BYTES = 2 * 1024 * 1024;
const MAX_FUNCTION_LENGTH = 4096;
const MAX_MODULE_PATHS = 64;
const encodingPattern = /^[a-z0-9.+-]{1,32}$/;

export function validateFunction(field: string, target: Omit<FunctionTarget, "origin">): void {
  const { function: name, mainFile, modulePath } = target;
  if (name === "") throw invalidField(`${field}.function`, "", `${field}.function is required`);
  if (name.length > MAX_FUNCTION_LENGTH || name.includes("\0")) {
    throw invalidField(
      `${field}.function`,
      name.slice(0, 64),
      `${field}.function has more than ${MAX_FUNCTION_LENGTH} characters, or a NUL`,
    );
  }
  validateEncoding(`${field}.arguments.encoding`, target.arguments.encoding);
  validateEncoding(`${field}.result_encoding`, target.resultEncoding);
  validatePayloadSize(`${field}.arguments`, target.arguments.bytes);
  validateModulePath(`${field}.module_path`, modulePath);
  if (mainFile !== null) validateAbsolute(`${field}.main_file`, mainFile);
}

export function validateModulePath(field: string, paths: readonly string[]): void {
  if (paths.length > MAX_MODULE_PATHS) {
    throw invalidField(
      field,
      String(paths.length),
      `${field} has more than ${MAX_MODULE_PATHS} entries`,
    );
  }
  for (const path of paths) validateAbsolute(field, path);
}

/** The program, or the function, for messages. */
export function targetName(target: Target): string {
  return target.kind === "exec" ? target.path : `${target.kind} ${target.function}`;
}

/** About what the parts of a target that can be large take up. */
export function targetBytes(target: Target): number {
  const texts = target.kind === "exec" ? target.argv : [target.function, ...target.modulePath];
  return texts.reduce((bytes, text) => bytes + text.length, 0);
}

export function methodOf(target: Target): StartMethod {
  return target.kind === "exec" ? "spawn" : target.origin.method;
}

function validateEncoding(field: string, encoding: string): void {
  if (encodingPattern.test(encoding)) return;
  throw invalidField(
    field,
    encoding.slice(0, 64),
    `${field} is a label of [a-z0-9.+-]{1,32}, got ${JSON.stringify(encoding.slice(0, 64))}`,
  );
}

function validatePayloadSize(field: string, bytes: number): void {
  if (bytes <= MAX_PAYLOAD_BYTES) return;
  throw new DomainError(
    "payload-too-large",
    `${field} has ${bytes} bytes, at most ${MAX_PAYLOAD_BYTES} can be; send larger ones through a queue or a file`,
    { facts: { field, bytes: String(bytes), max_bytes: String(MAX_PAYLOAD_BYTES) } },
  );
}

function validateAbsolute(field: string, path: string): void {
  if (path.startsWith("/") && !path.includes("\0") && path.length < 4096) return;
  throw invalidField(
    field,
    path.slice(0, 64),
    `${field} is an absolute path, got ${JSON.stringify(path.slice(0, 64))}`,
  );
}
