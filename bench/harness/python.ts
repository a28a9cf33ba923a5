import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { packageRoot } from "../../server/kernel/package-root.js";

export interface Python {
  readonly program: string;
  readonly version: string;
}

/** The python3 on the PATH; undefined when there is none that runs. */
export function findPython(): Python | undefined {
  const program = "python3";
  const { status, stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
  return status === 0 ? { program, version: stdout.replace(/^Python/, "").trim() } : undefined;
}

/** A script among the benchmarks' sources: they are run as they are. */
export function pythonScript(path: string): string {
  return join(packageRoot, "bench", path);
}
