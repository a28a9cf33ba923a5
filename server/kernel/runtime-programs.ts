import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Runtime } from "../processes/target.js";
import { type RuntimeProgram } from "../templates/recipes.js";
import { nativeFile } from "./native-files.js";
import { packageRoot } from "./package-root.js";

export interface Interpreters {
  /** Absolute, or a name that is looked up in the worker's PATH. */
  readonly python: string;
  readonly node: string;
}

/** The programs that make an interpreter a zygote, or a worker. */
export function runtimePrograms({
  python,
  node,
}: Interpreters): Readonly<Record<Runtime, RuntimeProgram>> {
  return {
    python: {
      interpreter: python,
      program: [ofPackage("zygotes/python/main.py")],
      forkLibrary: nativeFile("forkbus-fork.so"),
    },
    node: {
      interpreter: node,
      // V8 expects the threads that its platform was told of: docs/FORK-SERVERS.md. The memory reducer's timers, which a
      // zygote never runs, would come due at once in each worker, and its collections copy the pages that are shared.
      program: ["--v8-pool-size=2", "--no-memory-reducer", ofPackage("zygotes/node/main.js")],
      forkLibrary: null,
    },
  };
}

/** As the package has it; in a working copy what needs no compiling is used where it lies. */
function ofPackage(path: string): string {
  const compiled = join(packageRoot, "dist/server", path);
  return existsSync(compiled) ? compiled : join(packageRoot, "server", path);
}
