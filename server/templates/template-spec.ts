import { DomainError, invalidField } from "../core/errors.js";
import { type InitCall } from "../processes/fork-servers.js";
import {
  canonicalText,
  validateEnvironment,
  validateWorkingDir,
} from "../processes/process-spec.js";
import { type Runtime, validateFunction, validateModulePath } from "../processes/target.js";

/** How a zygote is made; validated, with every default filled in. */
export interface TemplateSpec {
  readonly runtime: Runtime;
  /** Null: the parent's, or the daemon's. */
  readonly interpreter: string | null;
  readonly parent: string | null;
  readonly preload: readonly string[];
  readonly init: InitCall | null;
  readonly env: Readonly<Record<string, string>>;
  /** Null: the parent's, or `/`. */
  readonly workingDir: string | null;
  /** Null: the parent's, or the keeper's user. */
  readonly runAs: string | null;
  readonly preloadTimeoutMs: number;
  readonly warmWorkers: number;
  readonly modulePath: readonly string[];
  readonly keepFds: readonly string[];
}

export const DEFAULT_PRELOAD_TIMEOUT_MS = 60_000;
const MAX_PRELOAD_TIMEOUT_MS = 600_000;
const MAX_WARM_WORKERS = 1024;
const MAX_PRELOADS = 256;
const MAX_TEXT_BYTES = 256 * 1024;
/** With a zygote's report or failure it is given back in one message of 4 MiB. */
const MAX_SPEC_SIZE = 3 * 1024 * 1024;

export function emptySpec(runtime: Runtime): TemplateSpec {
  return {
    runtime,
    interpreter: null,
    parent: null,
    preload: [],
    init: null,
    env: {},
    workingDir: null,
    runAs: null,
    preloadTimeoutMs: DEFAULT_PRELOAD_TIMEOUT_MS,
    warmWorkers: 0,
    modulePath: [],
    keepFds: [],
  };
}

/** Fails with the first field that cannot be right, whatever the host. */
export function validateTemplateSpec(spec: TemplateSpec): TemplateSpec {
  if (spec.preload.length > MAX_PRELOADS) {
    throw invalidField(
      "spec.preload",
      String(spec.preload.length),
      `spec.preload has ${spec.preload.length} entries, at most ${MAX_PRELOADS} can be`,
    );
  }
  const texts = [spec.interpreter ?? "", spec.runAs ?? "", ...spec.preload, ...spec.keepFds];
  const bytes = texts.reduce((sum, text) => sum + text.length, 0);
  if (bytes > MAX_TEXT_BYTES || texts.some((text) => text.includes("\0"))) {
    throw invalidField("spec", String(bytes), "The spec has a NUL, or texts that are too long");
  }
  if (spec.preload.includes("")) {
    throw invalidField("spec.preload", "", "spec.preload has an empty entry");
  }
  if (spec.init !== null) {
    validateFunction("spec.init", {
      kind: spec.runtime,
      modulePath: [],
      mainFile: null,
      ...spec.init,
    });
  }
  validateEnvironment("spec.env", spec.env);
  validateModulePath("spec.module_path", spec.modulePath);
  if (spec.workingDir !== null) validateWorkingDir("spec.working_dir", spec.workingDir);
  if (spec.interpreter !== null) validateInterpreter(spec.interpreter);
  range("spec.preload_timeout_ms", spec.preloadTimeoutMs, 1, MAX_PRELOAD_TIMEOUT_MS);
  range("spec.warm_workers", spec.warmWorkers, 0, MAX_WARM_WORKERS);
  validateSize(spec);
  if (spec.parent === null) return spec;
  for (const [field, value] of [
    ["spec.interpreter", spec.interpreter],
    ["spec.run_as.user", spec.runAs],
  ] as const) {
    if (value === null) continue;
    throw invalidField(
      field,
      value,
      `${field} is the parent's: a zygote that is forked cannot have another`,
    );
  }
  return spec;
}

/** What is relative would be so to a directory that nobody thinks of. */
function validateInterpreter(path: string): void {
  if (path.startsWith("/") || !path.includes("/")) return;
  throw invalidField(
    "spec.interpreter",
    path.slice(0, 64),
    `spec.interpreter is an absolute path, or a name to look up in PATH, got ${JSON.stringify(path.slice(0, 64))}`,
  );
}

/** About what it takes up. */
export function templateSize(spec: TemplateSpec): number {
  const { init } = spec;
  let size = init === null ? 0 : init.function.length + init.data.length;
  for (const text of [...spec.preload, ...spec.keepFds, ...spec.modulePath]) size += text.length;
  for (const [name, value] of Object.entries(spec.env)) size += name.length + value.length;
  return size;
}

/** Equal for specs that make the same zygotes, and for no others. */
export function templateText(spec: TemplateSpec): string {
  // Of megabytes of arguments the digest says as much.
  const init = spec.init === null ? null : { ...spec.init, data: null };
  return canonicalText({ ...spec, init });
}

function validateSize(spec: TemplateSpec): void {
  const size = templateSize(spec);
  if (size <= MAX_SPEC_SIZE) return;
  throw new DomainError(
    "payload-too-large",
    `The spec takes up ${size} bytes, at most ${MAX_SPEC_SIZE} can be`,
    { facts: { field: "spec", bytes: String(size), max_bytes: String(MAX_SPEC_SIZE) } },
  );
}

function range(field: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw invalidField(field, String(value), `${field} is from ${min} to ${max}, got ${value}`);
}
