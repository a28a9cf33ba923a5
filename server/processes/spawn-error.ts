import { DomainError, invalidField } from "../core/errors.js";
import { isLateGo } from "./fork-servers.js";
import { type SpawnFailure } from "./keeper.js";
import { type ProcessSpec } from "./process-spec.js";
import { targetName } from "./target.js";

/** What a create ends in when the keeper could not start the worker. */
export function spawnError(failure: SpawnFailure, spec: ProcessSpec): Error {
  const { step, errno } = failure;
  if (errno === "ETIME" || (errno === "ETIMEDOUT" && step === "birth")) {
    return new DomainError(
      "start-timed-out",
      `What ${targetName(spec.target)} is to be forked from did not answer in time: it may be stopped, or the host too busy`,
      { facts: { step } },
    );
  }
  if (errno === "ETIMEDOUT") {
    return new DomainError(
      "start-timed-out",
      `The kernel did not answer in time while starting ${targetName(spec.target)} (${step}): ${slowThing(failure, spec)}`,
      { facts: { step } },
    );
  }
  if (errno === "EINTR") {
    return new DomainError(
      "start-interrupted",
      `The worker was killed before ${targetName(spec.target)} ran, by a signal or for lack of memory`,
      { facts: { step } },
    );
  }
  if (NO_ROOM.has(errno)) {
    return new DomainError(
      "host-exhausted",
      `The host has no room for another process (${step}: ${errno})`,
      { facts: { resource: step, errno }, retryAfterMs: 1000 },
    );
  }
  switch (step) {
    case "exec":
      return execError(errno, spec);
    case "cwd":
      return new DomainError(
        "working-dir-invalid",
        `Cannot enter the working directory ${directory(spec)}: ${errno}`,
        { facts: { path: directory(spec), errno } },
      );
    case "rlimit":
      return invalidField(
        "spec.limits.rlimits",
        spec.rlimits.map(({ resource }) => resource).join(","),
        `The kernel refuses these resource limits: ${errno}; a hard limit cannot be above that of the keeper, or of the worker that it is forked from`,
      );
    case "affinity":
      return new DomainError("cpu-unknown", `The kernel refuses these CPUs: ${errno}`, {
        facts: { cpu: spec.cpus.kind === "explicit" ? spec.cpus.cpus.join(",") : "" },
      });
    case "user":
      return runAsDenied(spec, errno);
    case "request":
      if (errno === "EPERM") return runAsDenied(spec, errno);
      if (errno === "ESHUTDOWN") {
        return new DomainError("draining", "The keeper is stopping and starts no more workers");
      }
      if (errno === "ESRCH") return serverGone(spec);
      if (isLateGo(failure)) return interrupted(spec);
      return unexpected(failure);
    case "directory":
    case "files":
      if (FULL_DISK.has(errno)) {
        return new DomainError("disk-full", `There is no room for the output files: ${errno}`);
      }
      return unexpected(failure);
    case "fork":
      if (errno === "EBUSY") {
        return new DomainError(
          "not-fork-safe",
          `What is to be forked has more than its main thread: ${failure.message}`,
          { facts: { threads: failure.message } },
        );
      }
      return unexpected(failure);
    case "birth":
      return interrupted(spec);
    case "limits":
      return new DomainError(
        "kernel-feature-missing",
        `The kernel refuses limits of the worker's cgroup: ${errno}`,
        { facts: { feature: "cgroup2" } },
      );
    case "specification":
    case "cgroup":
    case "clone":
    case "session":
      return unexpected(failure);
  }
}

const NO_ROOM = new Set(["EAGAIN", "ENOMEM", "EMFILE", "ENFILE"]);
const FULL_DISK = new Set(["ENOSPC", "EDQUOT"]);

/** The host lacked something, whatever was to be started; later it may have it. */
export function isExhaustion({ errno }: SpawnFailure): boolean {
  return NO_ROOM.has(errno) || FULL_DISK.has(errno);
}

function execError(errno: string, { target }: ProcessSpec): DomainError {
  const path = target.kind === "exec" ? target.path : `the interpreter of ${targetName(target)}`;
  const facts = { path, errno, step: "exec" };
  if (errno === "ENOENT" || errno === "ENOTDIR") {
    const where = path.includes("/") ? "" : " in the PATH of the worker";
    return new DomainError(
      "executable-not-found",
      `There is no program ${path}${where}, or its interpreter is missing: ${errno}`,
      { facts },
    );
  }
  const why = EXEC_REASONS.get(errno);
  return new DomainError(
    "executable-not-runnable",
    `The kernel refuses to run ${path}: ${why === undefined ? errno : `${why} (${errno})`}`,
    { facts },
  );
}

const EXEC_REASONS = new Map([
  ["EACCES", "it is not executable for this user, or no file"],
  ["ENOEXEC", "it is no program, and a script needs a first line such as #!/bin/sh"],
  ["E2BIG", "arguments and environment are too large"],
  ["ETXTBSY", "it is being written"],
]);

function slowThing({ step }: SpawnFailure, spec: ProcessSpec): string {
  return step === "cwd" ? directory(spec) : targetName(spec.target);
}

function runAsDenied(spec: ProcessSpec, errno: string): DomainError {
  const user = spec.runAs ?? "";
  return new DomainError(
    "run-as-denied",
    `The keeper may not start a worker as ${user}: ${errno}; it must run as root and list the user in its policy file`,
    { facts: { user } },
  );
}

/** What was to be forked from does not serve, or is no more. */
function serverGone(spec: ProcessSpec): DomainError {
  const { target } = spec;
  if (target.kind === "exec" || target.origin.method !== "fork") return interrupted(spec);
  return new DomainError(
    "forks-not-served",
    `Process ${target.origin.process} serves no forks any more`,
    { facts: { name: target.origin.process } },
  );
}

function interrupted({ target }: ProcessSpec): DomainError {
  return new DomainError(
    "start-interrupted",
    `The fork server of ${targetName(target)} died while it forked, or the worker was killed before it ran`,
    { facts: { step: "birth" } },
  );
}

function directory({ workingDir }: ProcessSpec): string {
  return workingDir ?? "of the template";
}

function unexpected({ step, errno, message }: SpawnFailure): Error {
  const said = message === "" ? "" : `: ${message}`;
  return new Error(`The keeper could not start a worker: ${step} failed with ${errno}${said}`);
}
