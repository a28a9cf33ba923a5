import { realpathSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parseAddress } from "./address.js";
import { workerRuntime } from "./worker-runtime.js";

/** Where this program stands, as far as the daemon can see the same files. */
export interface CallerPlace {
  /** A path for the daemon: one that is relative means one from here, on this host. */
  readonly path: (path: string) => string;
  /** Where functions are looked for when nothing is said. */
  readonly modulePath: readonly string[];
}

/** A daemon behind a Unix socket sees our files; of another one nothing is known. */
export function callerPlace(address: string): CallerPlace {
  if (parseAddress(address).kind !== "unix") return { path: (path) => path, modulePath: [] };
  return { path: (path) => resolve(path), modulePath: ownModulePath() };
}

/** A worker that starts others has no main file of its own: they look where it was looked for. */
function ownModulePath(): readonly string[] {
  const runtime = workerRuntime();
  if (runtime !== undefined) return runtime.modulePath ?? [];
  const main = process.argv[1];
  return main === undefined ? [] : [directoryOf(main)];
}

/** Of the main file itself, not of a link to it in some `bin`. */
function directoryOf(main: string): string {
  const stats = statSync(main, { throwIfNoEntry: false });
  // As given to Node: the file may have an extension that was left out.
  if (stats === undefined) return dirname(resolve(main));
  const real = realpathSync(main);
  return stats.isDirectory() ? real : dirname(real);
}
