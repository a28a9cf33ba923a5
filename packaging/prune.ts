import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/** What the compiler makes of one source file. */
const COMPILED = /(\.js|\.js\.map|\.d\.ts|\.d\.ts\.map)$/;

/** Removes what was compiled from sources that have gone since: the compiler leaves it, and it would be packed and run. */
export function pruneCompiled(root: string): void {
  const dist = join(root, "dist");
  for (const path of readdirSync(dist, { recursive: true, encoding: "utf8" })) {
    if (!COMPILED.test(path) || path.startsWith("package/")) continue;
    const source = join(root, path.replace(COMPILED, ".ts"));
    if (!existsSync(source)) rmSync(join(dist, path));
  }
}
