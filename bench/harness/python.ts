import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { packageRoot } from "../../server/kernel/package-root.js";

export interface Python {
  readonly program: string;
  readonly version: string;
  /** The interpreter itself, where the program is something that finds it. */
  readonly executable: string;
}

/** The python3 on the PATH; undefined when there is none that runs. */
export function findPython(): Python | undefined {
  const program = "python3";
  const script = "import platform, sys; print(platform.python_version()); print(sys.executable)";
  const { status, stdout } = spawnSync(program, ["-c", script], { encoding: "utf8" });
  if (status !== 0) return undefined;
  const [version = "", executable = program] = stdout.split("\n");
  return { program, version, executable };
}

/** A script among the benchmarks' sources: they are run as they are. */
export function pythonScript(path: string): string {
  return join(packageRoot, "bench", path);
}
