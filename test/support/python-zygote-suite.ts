import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { packageRoot } from "../../server/kernel/package-root.js";

const OLDEST = "3.9";

/** What the tests of the Python fork server lack; undefined when nothing: they need the interpreter alone. */
export function missingPythonForZygotes(): string | undefined {
  const check = `import sys; sys.exit(sys.version_info < (${OLDEST.replace(".", ", ")}))`;
  const { status } = spawnSync("python3", ["-c", check], { stdio: "ignore" });
  return status === 0 ? undefined : `it needs python3, at least ${OLDEST}`;
}

/** Runs them with the python3 in PATH; how many passed is then in `tally`. */
export function runPythonZygoteTests(tally: string): void {
  spawnSync("python3", [join(packageRoot, "test/zygotes/python/run.py"), tally], {
    stdio: "inherit",
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" },
  });
}
