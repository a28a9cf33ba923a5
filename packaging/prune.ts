import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/** The folders that tsconfig.json includes; others in dist are made by other tools. */
const FOLDERS = [
  "bench",
  "cli",
  "client/typescript",
  "examples",
  "packaging",
  "proto/gen",
  "server",
  "test",
  "wire",
];

/** What the compiler makes of one source file. */
const COMPILED = /(\.js|\.js\.map|\.d\.ts|\.d\.ts\.map)$/;

/** Removes what was compiled from sources that have gone since: the compiler leaves it, and it would be packed and run. */
export function pruneCompiled(root: string): void {
  for (const folder of FOLDERS) {
    const compiled = join(root, "dist", folder);
    if (!existsSync(compiled)) continue;
    for (const path of readdirSync(compiled, { recursive: true, encoding: "utf8" })) {
      if (!COMPILED.test(path)) continue;
      const source = join(root, folder, path.replace(COMPILED, ".ts"));
      if (!existsSync(source)) rmSync(join(compiled, path));
    }
  }
}
