import { type Recipe, type Source } from "./fork-servers.js";
import { type BirthOrder, type SpawnOrder, type UserIds, type WorkerFiles } from "./keeper.js";
import { type ProcessRecord } from "./process-record.js";
import { type ProcessSpec } from "./process-spec.js";
import {
  callOf,
  encodeSpecification,
  initOf,
  numberedRlimits,
  type WorkerSpecification,
} from "./specification.js";
import { type FunctionTarget } from "./target.js";

/** What an order is made from besides the record. */
export interface OrderContext {
  readonly baseEnvironment: Readonly<Record<string, string>>;
  readonly user: UserIds | null;
  /** Settings of the leaf that can be enforced. */
  readonly limits: readonly string[];
}

/** The order for a program. */
export function programOrder(
  record: ProcessRecord,
  program: { readonly path: string; readonly argv: readonly string[] },
  context: OrderContext,
): SpawnOrder {
  const { spec, placement } = record;
  return {
    kind: "spawn",
    ...files(record, context.limits),
    path: program.path,
    argv: program.argv,
    env: environment(record, context.baseEnvironment, {}),
    workingDir: spec.workingDir ?? "/",
    umask: spec.umask,
    user: context.user,
    cpus: placement,
    rlimits: spec.rlimits,
    specification: null,
  };
}

/** The order for a function. */
export function functionOrder(
  record: ProcessRecord,
  target: FunctionTarget,
  args: Uint8Array,
  source: Source,
  context: OrderContext,
): BirthOrder {
  const { recipe } = source;
  const env = environment(record, context.baseEnvironment, recipe.env);
  const given = files(record, context.limits);
  if (source.kind === "spawn") {
    return {
      kind: "spawn",
      ...given,
      path: recipe.interpreter,
      argv: [recipe.interpreter, ...recipe.program],
      env,
      workingDir: record.spec.workingDir ?? recipe.workingDir ?? "/",
      umask: record.spec.umask,
      user: context.user,
      cpus: record.placement,
      rlimits: record.spec.rlimits,
      specification: encodeSpecification(freshWorker(record, target, recipe), args),
    };
  }
  const isPrestarted = source.kind === "go" && !source.forked;
  const worker: WorkerSpecification = {
    ...(isPrestarted
      ? prestartedWorker(record, target, recipe)
      : forkedWorker(record, target, recipe.forkLibrary)),
    env,
    inherit: false,
    workingDir: record.spec.workingDir ?? recipe.workingDir ?? "/",
  };
  const specification = encodeSpecification(worker, args);
  if (source.kind === "fork")
    return { kind: "fork", ...given, server: source.server, specification };
  return { kind: "go", ...given, cpus: isPrestarted ? record.placement : null, specification };
}

/** Whether a worker will do that was spawned before it was known what for: it has files, and no limits of its own. */
export function isPlain(spec: ProcessSpec): boolean {
  const { openStdin, mergeStderr, stdout, stderr, rlimits } = spec;
  const hasFiles = stdout === "file" && stderr === "file" && !openStdin && !mergeStderr;
  return hasFiles && rlimits.length === 0;
}

/** The order for a function in a fork of a live worker, whose state and surroundings it has. */
export function liveForkOrder(
  record: ProcessRecord,
  target: FunctionTarget,
  args: Uint8Array,
  server: ProcessRecord["uid"],
  forkLibrary: string | null,
  limits: readonly string[],
): BirthOrder {
  const specification: WorkerSpecification = {
    ...forkedWorker(record, target, forkLibrary),
    env: { ...threadCounts(record), ...record.spec.env, ...identity(record) },
    inherit: true,
    workingDir: record.spec.workingDir,
  };
  return {
    kind: "fork",
    ...files(record, limits),
    server,
    specification: encodeSpecification(specification, args),
  };
}

/** What a fork server has loaded it has, and what the keeper does for a spawned one it does itself. */
function forkedWorker(record: ProcessRecord, target: FunctionTarget, forkLibrary: string | null) {
  return {
    ...common(record, target, forkLibrary),
    umask: record.spec.umask,
    cpus: record.placement,
    rlimits: numberedRlimits(record.spec.rlimits),
    searchPath: target.modulePath,
    preload: [],
    init: null,
  };
}

/** The keeper sees to environment, directory, limits and CPUs of what it spawns. */
function freshWorker(
  record: ProcessRecord,
  target: FunctionTarget,
  recipe: Recipe,
): WorkerSpecification {
  return {
    ...common(record, target, recipe.forkLibrary),
    env: null,
    inherit: false,
    workingDir: null,
    umask: null,
    cpus: null,
    rlimits: [],
    searchPath: [...target.modulePath, ...recipe.modulePath],
    preload: recipe.preload,
    init: initOf(recipe),
  };
}

/** It has loaded everything, and may have nothing by which it could see to its CPUs and limits. */
function prestartedWorker(
  record: ProcessRecord,
  target: FunctionTarget,
  recipe: Recipe,
): WorkerSpecification {
  const { umask } = record.spec;
  return { ...freshWorker(record, target, recipe), umask, preload: [], init: null };
}

function common(record: ProcessRecord, target: FunctionTarget, forkLibrary: string | null) {
  return {
    kind: "worker",
    id: record.uid,
    name: record.name,
    title: `forkbus: ${record.name}`,
    target: callOf(target),
    mainPath: target.mainFile,
    forkLibrary,
  } as const;
}

function files({ uid, spec }: ProcessRecord, limits: readonly string[]): WorkerFiles {
  return {
    uid,
    openStdin: spec.openStdin,
    stdout: spec.stdout,
    stderr: spec.stderr,
    mergeStderr: spec.mergeStderr,
    onExit: spec.onExit,
    logMaxBytes: spec.logMaxBytes,
    limits,
  };
}

/**
 * The identity is first, where a keeper that looks for descendants finds it without reading far; and last, so that nobody
 * gives a worker another name.
 */
function environment(
  record: ProcessRecord,
  base: Readonly<Record<string, string>>,
  ofTemplate: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const who = identity(record);
  return {
    ...who,
    ...base,
    ...threadCounts(record),
    ...ofTemplate,
    ...record.spec.env,
    ...who,
  };
}

function identity({ uid, name }: ProcessRecord): Readonly<Record<string, string>> {
  return { FORKBUS_PROCESS_ID: uid, FORKBUS_PROCESS: name };
}

/** Numeric libraries start a thread for each CPU of the host unless told how many they have. */
function threadCounts({ spec, placement }: ProcessRecord): Readonly<Record<string, string>> {
  if (placement === null || spec.cpus.kind === "none") return {};
  const count = String(placement.length);
  return {
    OMP_NUM_THREADS: count,
    OPENBLAS_NUM_THREADS: count,
    MKL_NUM_THREADS: count,
    NUMEXPR_NUM_THREADS: count,
  };
}
