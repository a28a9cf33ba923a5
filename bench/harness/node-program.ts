import { join } from "node:path";
import { packageRoot } from "../../server/kernel/package-root.js";

/** The command line of one of our compiled programs, which writes a CPU profile when it ends if there is a directory. */
export function profiled(path: string, profileDir: string | undefined): readonly string[] {
  const profile = profileDir === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", profileDir];
  const name = path.replace(/\.js$/, "").replaceAll("/", "-");
  const file =
    profileDir === undefined ? [] : [`--cpu-prof-name=${name}-${nextNumber++}.cpuprofile`];
  return [process.execPath, ...profile, ...file, join(packageRoot, "dist", path)];
}

let nextNumber = 1;

/** The same without a profile: for rivals that are Node programs. */
export function nodeProgram(path: string): readonly string[] {
  return profiled(path, undefined);
}
