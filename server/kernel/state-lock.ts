import { join } from "node:path";
import { lockFile, LockHeldError } from "./file-lock.js";

/** Makes the state directory this daemon's alone until disposed. Throws at once when it is another's. */
export function lockState(stateDir: string): Disposable {
  try {
    return lockFile(join(stateDir, "daemon.lock"));
  } catch (error) {
    if (!(error instanceof LockHeldError)) throw error;
    const holder = error.holderPid === undefined ? "another process" : `process ${error.holderPid}`;
    throw new Error(`Another daemon, ${holder}, uses the state directory ${stateDir}`, {
      cause: error,
    });
  }
}
