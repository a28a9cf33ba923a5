import { constants } from "node:os";
import { sayFailed, Step } from "./link-messages.js";
import { type ResourceLimit, type Specification } from "./specification.js";
import { zygoteAddon } from "./zygote-addon.js";

const UNLIMITED = 2n ** 64n - 1n;

/** Makes the process what its specification says, or ends it after it has said what could not be done. */
export function specialise({
  env,
  inherit,
  workingDir,
  umask,
  cpus,
  rlimits,
  title,
}: Specification): void {
  if (env !== null) replaceEnvironment(inherit ? { ...ownEnvironment(), ...env } : env);
  for (const limit of rlimits) check(Step.rlimit, setLimit(limit));
  if (cpus !== null) check(Step.affinity, zygoteAddon().setCpus(cpus));
  if (workingDir !== null) enter(workingDir);
  if (umask !== null) process.umask(umask);
  process.title = title;
}

/** The process could not become what it should be. */
export function fail(step: Step, errno: number): never {
  sayFailed(step, errno);
  process.exit(1);
}

function check(step: Step, answer: number): void {
  if (answer < 0) fail(step, -answer);
}

function setLimit([resource, soft, hard]: ResourceLimit): number {
  return zygoteAddon().setLimit(resource, soft ?? UNLIMITED, hard ?? UNLIMITED);
}

function enter(directory: string): void {
  try {
    process.chdir(directory);
  } catch (error) {
    const errno = error instanceof Error && "errno" in error ? Number(error.errno) : NaN;
    fail(Step.workingDir, Number.isInteger(errno) ? Math.abs(errno) : constants.errno.EIO);
  }
}

/** What is the same already is left alone: setting a variable is slower than reading it. */
function ownEnvironment(): Readonly<Record<string, string>> {
  const own: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env))
    if (value !== undefined) own[name] = value;
  return own;
}

function replaceEnvironment(env: Readonly<Record<string, string>>): void {
  for (const name of Object.keys(process.env)) {
    if (!Object.hasOwn(env, name)) Reflect.deleteProperty(process.env, name);
  }
  for (const [name, value] of Object.entries(env)) {
    if (process.env[name] !== value) process.env[name] = value;
  }
}
