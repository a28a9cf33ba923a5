import { accessSync, constants, readFileSync } from "node:fs";
import { join } from "node:path";

/** Where cgroup v2 is mounted; undefined when it is not. */
export function cgroupMount(): string | undefined {
  return /^\S+ (\S+) cgroup2 /m.exec(readFileSync("/proc/mounts", "utf8"))?.[1];
}

/** The cgroup (v2) of this process, where groups can be made in it. */
export function ownGroup(): string | undefined {
  const mount = cgroupMount();
  const own = /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1];
  if (mount === undefined || own === undefined) return undefined;
  try {
    accessSync(join(mount, own, "cgroup.procs"), constants.W_OK);
    return join(mount, own);
  } catch {
    return undefined;
  }
}
