import { statSync } from "node:fs";
import { dirname } from "node:path";
import { PermissionDeniedError } from "./errors.js";

/**
 * Refuses a default socket in somebody else's directory: whoever made `/tmp/forkbus-UID` before us could listen there,
 * and would be told what we run. Where only root can make directories, as in /run, root has given it to its owner, who
 * is the daemon's user. Where nothing is there, connecting finds that out.
 */
export function refuseForeignSocket(path: string, uid: number): void {
  const directory = dirname(path);
  const stats = statSync(directory, { throwIfNoEntry: false });
  if (stats === undefined || stats.uid === uid || stats.uid === 0) return;
  const above = statSync(dirname(directory));
  if (above.uid === 0 && (above.mode & 0o022) === 0) return;
  throw new PermissionDeniedError(
    `${directory} belongs to user ${stats.uid}: no socket in it is trusted. Give the address of the daemon`,
    { code: "PERMISSION_DENIED" },
  );
}
