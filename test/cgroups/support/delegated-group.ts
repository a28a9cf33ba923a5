import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cgroupMount } from "../../support/cgroup-place.js";
import { LIMITING } from "../../support/cgroup-suite.js";
import { eventually } from "../../support/eventually.js";

/**
 * A cgroup as a service manager delegates one, with the controllers that limit available in it. Disposing it waits
 * until nothing is in it any more, and removes it.
 */
export class DelegatedGroup implements AsyncDisposable {
  readonly path: string;

  constructor() {
    const mount = cgroupMount() ?? "";
    const wanted = LIMITING.map((name) => `+${name}`).join(" ");
    writeFileSync(join(mount, "cgroup.subtree_control"), wanted);
    this.path = join(mount, `forkbus-test-${randomUUID()}`);
    mkdirSync(this.path);
  }

  /** A program to run others through, which puts them into a group inside this one; "": into itself. */
  wrapper(name: string): readonly string[] {
    const group = join(this.path, name);
    mkdirSync(group, { recursive: true });
    return ["sh", "-c", `echo $$ >'${group}/cgroup.procs' && exec "$@"`, "sh"];
  }

  get controlled(): string {
    return readFileSync(join(this.path, "cgroup.subtree_control"), "utf8").trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await eventually(() => isRemoved(this.path), Boolean, { what: `${this.path} to be empty` });
  }
}

function isRemoved(path: string): boolean {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory() && !isRemoved(join(path, entry.name))) return false;
  }
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EBUSY") return false;
    throw error;
  }
}
