import { join } from "node:path";
import { packageRoot } from "../../server/kernel/package-root.js";

/**
 * The command line of one of our compiled programs. With a directory, each of its processes leaves a CPU profile there
 * when it ends, in a folder that has the program's name.
 */
export function profiled(path: string, profileDir: string | undefined): readonly string[] {
  const folder = path.replace(/\.js$/, "").replaceAll("/", "-");
  const options =
    profileDir === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", join(profileDir, folder)];
  return [process.execPath, ...options, join(packageRoot, "dist", path)];
}

/** The same without a profile: for rivals that are Node programs. */
export function nodeProgram(path: string): readonly string[] {
  return profiled(path, undefined);
}
