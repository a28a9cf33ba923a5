import { closeSync, constants, ftruncateSync, openSync, writeSync } from "node:fs";
import { nativeAddon } from "./native-addon.js";

/** A lock that this process holds until it is disposed or the process ends, however it ends. */
export interface Lock extends Disposable {
  readonly path: string;
}

/** The lock is another process's. */
export class LockHeldError extends Error {
  /** Undefined when the holder is in another pid namespace. */
  readonly holderPid: number | undefined;

  constructor(path: string, holderPid: number | undefined) {
    const holder = holderPid === undefined ? "a process elsewhere" : `process ${holderPid}`;
    super(`${path} is locked by ${holder}`);
    this.name = "LockHeldError";
    this.holderPid = holderPid;
  }
}

// The kernel's lock is one per process and file, and closing any descriptor of the file drops it.
const heldHere = new Set<string>();

/**
 * Takes the exclusive lock `path`, making the file if need be, and writes our pid into it for
 * people to read. Throws LockHeldError at once when somebody has it, this process included. The
 * file stays: removing a lock file would let two processes lock two files of one name. Nothing else
 * in this process may open the file, not even to read it: closing it would drop the lock.
 */
export function lockFile(path: string): Lock {
  if (heldHere.has(path)) throw new LockHeldError(path, process.pid);
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o640);
  try {
    const holder = nativeAddon().lockFile(fd);
    if (holder !== 0) {
      throw new LockHeldError(path, typeof holder === "number" && holder > 0 ? holder : undefined);
    }
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}\n`, 0);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  heldHere.add(path);
  return {
    path,
    [Symbol.dispose]: () => {
      if (heldHere.delete(path)) closeSync(fd);
    },
  };
}
