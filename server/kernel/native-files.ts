import { existsSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "./package-root.js";

/** What of forkbus is written in C; the last is for one version of Node each, by `process.versions.modules`. */
export type NativeFile =
  "forkbus-keeper" | "forkbus.node" | "forkbus-fork.so" | `forkbus-zygote-${string}.node`;

export interface NativePlace {
  readonly root: string;
  /** As Node names it, such as `linux-x64`. */
  readonly platform: string;
}

const here: NativePlace = { root: packageRoot, platform: `${process.platform}-${process.arch}` };

/**
 * The path of a native file: the one that was built on this host, else the one that the package brings for its
 * platform. Throws one sentence that says what to do when there is neither.
 */
export function nativeFile(name: NativeFile, { root, platform }: NativePlace = here): string {
  const built = join(root, "dist/native", name);
  const brought = join(root, "dist/prebuilds", platform, name);
  const found = [built, brought].find((path) => existsSync(path));
  if (found === undefined) {
    if (!platform.startsWith("linux-")) {
      throw new Error(`The daemon needs Linux, and this is ${platform}: only clients run here`);
    }
    throw new Error(
      `There is no ${name} for ${platform} in ${root}: run forkbus build-native, which builds it from its source`,
    );
  }
  return found;
}
