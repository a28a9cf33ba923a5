import { type CpuRequest } from "../cpus/cpu-request.js";
import { invalidField } from "../core/errors.js";
import { rlimitNumber } from "./rlimits.js";
import { SIGTERM } from "./signals.js";
import { type Target, targetBytes, validateFunction } from "./target.js";
import { type TreeLimits, validateTreeLimits } from "./tree-limits.js";

/** What to run and how; validated, with every default filled in. */
export interface ProcessSpec {
  readonly target: Target;
  readonly env: Readonly<Record<string, string>>;
  /** Null: the template's, or for a fork that of the process it comes from. */
  readonly workingDir: string | null;
  /** A name or number of the host's user database; null is the keeper's own user, or the fork server's. */
  readonly runAs: string | null;
  readonly umask: number;
  readonly openStdin: boolean;
  readonly logMaxBytes: number;
  readonly cpus: CpuRequest;
  readonly rlimits: readonly Rlimit[];
  readonly treeLimits: TreeLimits;
  readonly stop: StopPolicy;
  readonly onExit: OnExit;
  readonly stdout: StdioMode;
  readonly stderr: StdioMode;
  readonly mergeStderr: boolean;
}

export type OnExit = "kill-tree" | "wait-tree";
export type StdioMode = "file" | "null";

export interface StopPolicy {
  readonly signal: number;
  readonly graceMs: number;
}

export interface Rlimit {
  /** The kernel's name, such as `RLIMIT_NOFILE`. */
  readonly resource: string;
  /** Null is unlimited. */
  readonly soft: bigint | null;
  readonly hard: bigint | null;
}

export const DEFAULT_STOP: StopPolicy = { signal: SIGTERM, graceMs: 10_000 };
export const DEFAULT_LOG_MAX_BYTES = 64 * 1024 * 1024;
export const MIN_LOG_MAX_BYTES = 64 * 1024;
export const MAX_GRACE_MS = 86_400_000;
const MAX_ARGV_BYTES = 1024 * 1024;
const MAX_ENV_BYTES = 1024 * 1024;
const MAX_PATH_BYTES = 4095;
const MAX_CPU_COUNT = 65_536;
const MAX_CPU_WAIT_MS = 86_400_000;
/** Arguments and variables together: with the lengths, they fit in one message to the keeper. */
const MAX_STRINGS = 131_072;

/** Fails with the first field that cannot be right, whatever the host. */
export function validateSpec(spec: ProcessSpec): ProcessSpec {
  target(spec.target, spec.runAs);
  environment(spec.env);
  const argv = spec.target.kind === "exec" ? spec.target.argv.length : 0;
  const strings = argv + Object.keys(spec.env).length;
  if (strings > MAX_STRINGS) {
    throw invalidField(
      "spec.exec.argv",
      String(strings),
      `spec.exec.argv and spec.env have ${strings} entries together, at most ${MAX_STRINGS} can be`,
    );
  }
  if (spec.workingDir !== null) validateWorkingDir("spec.working_dir", spec.workingDir);
  if (spec.runAs !== null) text("spec.run_as.user", spec.runAs, 256);
  range("spec.umask", spec.umask, 0, 0o777);
  range(
    "spec.log_retention.max_bytes",
    spec.logMaxBytes,
    MIN_LOG_MAX_BYTES,
    Number.MAX_SAFE_INTEGER,
  );
  validateGrace("spec.stop.grace_ms", spec.stop.graceMs);
  validateCpuRequest(spec.cpus);
  rlimits(spec.rlimits);
  validateTreeLimits(spec.treeLimits);
  return spec;
}

/** Of a process, or of a template. */
export function validateWorkingDir(field: string, path: string): void {
  if (!path.startsWith("/")) {
    throw invalidField(
      field,
      path,
      `A working directory is an absolute path, got ${JSON.stringify(path)}`,
    );
  }
  text(field, path, MAX_PATH_BYTES);
}

/** Of a process, or of a template. */
export function validateEnvironment(field: string, env: Readonly<Record<string, string>>): void {
  environment(env, field);
}

/** Of a process, or of one stop. */
export function validateGrace(field: string, graceMs: number): void {
  range(field, graceMs, 0, MAX_GRACE_MS);
}

/** Equal specs have equal texts, whatever the order of their fields. */
export function canonicalText(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === "bigint") return `${part}n`;
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** About what the parts of a spec that can be large take up. */
export function specBytes({ target, env }: ProcessSpec): number {
  let bytes = targetBytes(target);
  for (const [name, value] of Object.entries(env)) bytes += name.length + value.length;
  return bytes;
}

function target(value: Target, runAs: string | null): void {
  if (value.kind !== "exec") {
    validateFunction(`spec.${value.kind}`, value);
    if (runAs === null || value.origin.method === "spawn") return;
    throw invalidField(
      "spec.run_as.user",
      printable(runAs),
      "What is forked runs as its fork server does: name the user in the template, or use the start method spawn",
    );
  }
  if (value.path === "") {
    throw invalidField("spec.exec.argv", "", "Nothing to run: exec.path and exec.argv are empty");
  }
  text("spec.exec.path", value.path, MAX_PATH_BYTES);
  text("spec.exec.argv", value.argv.join(" "), MAX_ARGV_BYTES);
}

function text(field: string, value: string, maxBytes: number): void {
  if (value.includes("\0")) {
    throw invalidField(
      field,
      printable(value),
      `${field} holds a NUL, which no program can be given`,
    );
  }
  const bytes = byteLength(value);
  if (bytes > maxBytes) {
    throw invalidField(
      field,
      printable(value),
      `${field} has ${bytes} bytes, at most ${maxBytes} can be`,
    );
  }
}

function environment(env: Readonly<Record<string, string>>, field = "spec.env"): void {
  let bytes = 0;
  for (const [name, value] of Object.entries(env)) {
    if (name === "" || name.includes("=") || name.includes("\0") || value.includes("\0")) {
      throw invalidField(
        field,
        printable(name),
        `${JSON.stringify(printable(name))} cannot be an environment variable: names are not empty and hold no "=", and neither names nor values hold a NUL`,
      );
    }
    bytes += byteLength(name) + byteLength(value) + 2;
  }
  if (bytes > MAX_ENV_BYTES) {
    throw invalidField(
      field,
      String(bytes),
      `The environment has ${bytes} bytes, at most ${MAX_ENV_BYTES} can be`,
    );
  }
}

function range(field: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw invalidField(field, String(value), `${field} is from ${min} to ${max}, got ${value}`);
}

/** Of a process, or of a question about one. */
export function validateCpuRequest(request: CpuRequest): void {
  if (request.kind === "shared" || request.kind === "exclusive") {
    range("spec.cpus.count", request.count, 1, MAX_CPU_COUNT);
  }
  if (request.kind === "exclusive") {
    range("spec.cpus.max_wait_ms", request.maxWaitMs, 0, MAX_CPU_WAIT_MS);
  }
  if (request.kind === "explicit" && request.cpus.length === 0) {
    throw invalidField("spec.cpus.cpus", "", "An explicit placement names at least one CPU");
  }
}

function rlimits(limits: readonly Rlimit[]): void {
  const seen = new Set<string>();
  for (const { resource, soft, hard } of limits) {
    const field = "spec.limits.rlimits";
    if (rlimitNumber(resource) === undefined) {
      throw invalidField(
        field,
        printable(resource),
        `There is no resource limit ${JSON.stringify(printable(resource))}`,
      );
    }
    if (seen.has(resource)) {
      throw invalidField(field, resource, `${resource} is given twice`);
    }
    seen.add(resource);
    if (hard !== null && (soft === null || soft > hard)) {
      throw invalidField(
        field,
        `${resource}=${soft ?? "unlimited"}:${hard}`,
        `The soft limit of ${resource} is above its hard limit`,
      );
    }
  }
}

function byteLength(value: string): number {
  return new TextEncoder().encode(value).length;
}

/** For messages: short, and without control characters. */
function printable(value: string): string {
  return value.slice(0, 100).replace(/[\u0000-\u001f\u007f]/g, "?");
}
