import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";

export interface KeeperProgram {
  readonly path: string;
  /** Of the program in the package; null when the operator chose another one. */
  readonly version: string | null;
  readonly socketPath: string;
  /** How to start one where nobody listens; null: somebody else does that. */
  readonly launch: KeeperLaunch | null;
}

export interface KeeperLaunch {
  /** Holds the output of workers. */
  readonly directory: string;
  /** Where its own few messages go. */
  readonly logPath: string;
  /** `auto`, `none` or an absolute path. */
  readonly cgroup: string;
  /** The keeper's own list of users that workers may run as; null: only its own. */
  readonly policyPath: string | null;
  readonly startDeadlineMs: number;
  readonly reserveBytes: number;
}

/** A keeper without daemon and workers ends by itself after this time. */
const IDLE_SECONDS = 30;

/**
 * Starts the keeper, detached: it outlives the daemon. The only program that the daemon ever starts.
 * Rejects when it cannot be run; whether it then answers is found out by connecting.
 */
export function startKeeper(program: KeeperProgram, launch: KeeperLaunch): Promise<void> {
  const log = openSync(launch.logPath, "a", 0o640);
  try {
    const child = spawn(program.path, keeperArguments(program.socketPath, launch), {
      cwd: "/",
      detached: true,
      stdio: ["ignore", log, log],
    });
    return new Promise((resolve, reject) => {
      child.once("error", (error) => {
        reject(new Error(`Cannot start the keeper ${program.path}`, { cause: error }));
      });
      child.once("spawn", () => {
        child.unref();
        resolve();
      });
    });
  } finally {
    closeSync(log);
  }
}

function keeperArguments(socketPath: string, launch: KeeperLaunch): string[] {
  return [
    "--socket",
    socketPath,
    "--dir",
    launch.directory,
    "--cgroup",
    launch.cgroup,
    "--start-deadline-ms",
    String(launch.startDeadlineMs),
    "--reserve-bytes",
    String(launch.reserveBytes),
    "--exit-when-idle",
    String(IDLE_SECONDS),
    ...(launch.policyPath === null ? [] : ["--policy", launch.policyPath]),
  ];
}
