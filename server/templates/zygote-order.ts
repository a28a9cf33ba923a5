import { type Recipe } from "../processes/fork-servers.js";
import {
  type ForkOrder,
  type SpawnOrder,
  type UserIds,
  type WorkerFiles,
} from "../processes/keeper.js";
import { DEFAULT_LOG_MAX_BYTES } from "../processes/process-spec.js";
import {
  callOf,
  encodeSpecification,
  initOf,
  type ZygoteSpecification,
} from "../processes/specification.js";
import { type ProcessUid } from "../core/ids.js";
import { type TemplateRecord } from "./template-record.js";

/** Of the environment, what is the template's own comes last. */
export function freshZygote(
  uid: ProcessUid,
  record: TemplateRecord,
  recipe: Recipe,
  baseEnvironment: Readonly<Record<string, string>>,
  user: UserIds | null,
): SpawnOrder {
  return {
    ...freshProgram(uid, recipe, baseEnvironment, user),
    specification: specification(uid, record, { ...SEEN_TO, forkLibrary: recipe.forkLibrary }),
  };
}

/** One that has loaded by itself what a zygote would have, and waits to be told what to become. */
export function prestartedWorker(
  uid: ProcessUid,
  { name }: TemplateRecord,
  recipe: Recipe,
  baseEnvironment: Readonly<Record<string, string>>,
  user: UserIds | null,
): SpawnOrder {
  return {
    ...freshProgram(uid, recipe, baseEnvironment, user),
    specification: encodeSpecification(
      {
        kind: "prestarted",
        id: uid,
        name,
        title: `forkbus template: ${name}, a worker in waiting`,
        inherit: false,
        cpus: null,
        rlimits: [],
        searchPath: recipe.modulePath,
        preload: recipe.preload,
        init: initOf(recipe),
        forkLibrary: recipe.forkLibrary,
        ...SEEN_TO,
      },
      new Uint8Array(),
    ),
  };
}

function freshProgram(
  uid: ProcessUid,
  recipe: Recipe,
  baseEnvironment: Readonly<Record<string, string>>,
  user: UserIds | null,
): Omit<SpawnOrder, "specification"> {
  const mark = { FORKBUS_PROCESS_ID: uid };
  return {
    kind: "spawn",
    ...zygoteFiles(uid),
    path: recipe.interpreter,
    argv: [recipe.interpreter, ...recipe.program],
    env: { ...mark, ...baseEnvironment, ...recipe.env, ...mark },
    workingDir: recipe.workingDir ?? "/",
    umask: 0o022,
    user,
    // Its children would inherit a placement, and a worker in waiting has none yet: it sits wherever there is room.
    cpus: null,
    rlimits: [],
  };
}

/** From its parent's zygote, with everything that has loaded. */
export function forkedZygote(
  uid: ProcessUid,
  record: TemplateRecord,
  recipe: Recipe,
  baseEnvironment: Readonly<Record<string, string>>,
  server: ProcessUid,
): ForkOrder {
  const mark = { FORKBUS_PROCESS_ID: uid };
  return {
    kind: "fork",
    ...zygoteFiles(uid),
    server,
    specification: specification(uid, record, {
      env: { ...mark, ...baseEnvironment, ...recipe.env, ...mark },
      workingDir: recipe.workingDir ?? "/",
      umask: 0o022,
      forkLibrary: recipe.forkLibrary,
    }),
  };
}

const SEEN_TO = { env: null, workingDir: null, umask: null };

function specification(
  uid: ProcessUid,
  { name, spec }: TemplateRecord,
  own: Pick<ZygoteSpecification, "env" | "workingDir" | "umask" | "forkLibrary">,
): Uint8Array {
  return encodeSpecification(
    {
      kind: "zygote",
      id: uid,
      name,
      title: `forkbus template: ${name}`,
      inherit: false,
      cpus: null,
      rlimits: [],
      searchPath: spec.modulePath,
      preload: spec.preload,
      init: spec.init === null ? null : callOf(spec.init),
      keepFds: spec.keepFds,
      ...own,
    },
    spec.init?.data ?? new Uint8Array(),
  );
}

function zygoteFiles(uid: ProcessUid): WorkerFiles {
  return {
    uid,
    openStdin: false,
    stdout: "file",
    stderr: "file",
    mergeStderr: false,
    onExit: "kill-tree",
    logMaxBytes: DEFAULT_LOG_MAX_BYTES,
    limits: [],
  };
}
