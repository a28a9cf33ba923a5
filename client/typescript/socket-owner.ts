import { statSync } from "node:fs";
import { dirname } from "node:path";
import { PermissionDeniedError } from "./errors.js";

/**
 * Refuses a default socket in somebody else's directory: whoever made `/tmp/forkbus-UID` before us could listen there,
 * and would be told what we run. Where nothing is there, connecting finds that out.
 */
export function refuseForeignSocket(path: string, uid: number): void {
  const directory = dirname(path);
  const stats = statSync(directory, { throwIfNoEntry: false });
  if (stats === undefined || stats.uid === uid || stats.uid === 0) return;
  throw new PermissionDeniedError(
    `${directory} belongs to user ${stats.uid}: no socket in it is trusted. Give the address of the daemon`,
    { code: "PERMISSION_DENIED" },
  );
}
