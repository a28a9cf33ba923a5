import { DomainError } from "../core/errors.js";

/**
 * The write was kept and stays applied, but power loss may undo it: the disk refused to sync.
 * It is not tried again, because a second fdatasync may succeed without having written anything.
 */
export class NotDurableError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "NotDurableError";
  }
}

export function isDiskFull(error: unknown): boolean {
  if (error instanceof DomainError) return error.code === "disk-full";
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOSPC" || code === "EDQUOT";
}

/** What a caller learns when its record could not be written. */
export function writeFailure(cause: unknown, file: string): Error {
  if (isDiskFull(cause)) {
    return new DomainError("disk-full", `No space left to write to the journal's ${file}`, {
      cause,
    });
  }
  return new Error(`Cannot write to the journal's ${file}`, { cause });
}
