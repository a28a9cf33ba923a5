import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../server/kernel/package-root.js";
import { cgroupMount } from "./cgroup-place.js";

export const LIMITING = ["memory", "pids", "cpu"] as const;
const boot = join(packageRoot, "test/cgroups/vm/boot");
/** In the virtual machine every instruction is emulated. */
const PATIENCE = "8";

/** Why limits cannot be tried on this machine itself; undefined when they can. */
function missingControllers(): string | undefined {
  const mount = cgroupMount();
  if (mount === undefined) return "cgroup v2 is not mounted";
  if (process.getuid?.() !== 0) return "making cgroups needs root";
  const there = readFileSync(join(mount, "cgroup.controllers"), "utf8").trim().split(" ");
  const lacking = LIMITING.filter((name) => !there.includes(name));
  return lacking.length === 0
    ? undefined
    : `cgroup v2 has no controller ${lacking.join(", ")} on this machine`;
}

/** What the tests of limits lack; undefined when nothing. */
export function missingForCgroups(): string | undefined {
  const here = missingControllers();
  if (here === undefined) return undefined;
  const machine = spawnSync(boot, ["missing"], { encoding: "utf8" }).stdout.trim();
  return machine === "" ? undefined : `${here}, and for a virtual machine there is ${machine}`;
}

/** Runs a program here or, where cgroup v2 has no controllers, in a virtual machine; what it printed. */
export function runWithControllers(program: readonly string[]): string {
  const here = missingControllers();
  if (here !== undefined) process.stdout.write(`in a virtual machine, for ${here}\n`);
  const command = here === undefined ? program : [boot, "run", ...program];
  const { stdout } = spawnSync(command[0] ?? "", command.slice(1), {
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
    env: { ...process.env, ...(here === undefined ? {} : { FORKBUS_TEST_PATIENCE: PATIENCE }) },
  });
  process.stdout.write(stdout);
  return stdout;
}
