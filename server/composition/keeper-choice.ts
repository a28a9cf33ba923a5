import { join } from "node:path";
import { type Config } from "../config/config.js";
import { type KeeperProgram } from "../kernel/keeper/keeper-program.js";
import { nativeFile } from "../kernel/native-files.js";
import { buildInfo } from "../observability/build-info.js";

/** The longest path that fits in a socket's address (unix(7)). */
const MAX_SOCKET_PATH_BYTES = 107;

/** Which keeper runs the workers, and how it is started where nobody else does that. */
export function keeperProgram({ stateDir, keeper }: Config): KeeperProgram {
  const program = {
    path: keeper.path ?? nativeFile("forkbus-keeper"),
    version: keeper.path === null ? buildInfo().version : null,
  };
  if (keeper.socketPath !== null) {
    return { ...program, socketPath: fittingSocket(keeper.socketPath), launch: null };
  }
  return {
    ...program,
    socketPath: fittingSocket(join(stateDir, "keeper.sock")),
    launch: {
      directory: join(stateDir, "workers"),
      logPath: join(stateDir, "keeper.log"),
      cgroup: keeper.cgroup,
      policyPath: keeper.policyPath,
      startDeadlineMs: keeper.startDeadlineMs,
      reserveBytes: keeper.reserveBytes,
    },
  };
}

function fittingSocket(path: string): string {
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return path;
  throw new Error(
    `The keeper's socket has too long a path: ${path} has more than ${MAX_SOCKET_PATH_BYTES} bytes`,
  );
}
