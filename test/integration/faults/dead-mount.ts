import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { packageRoot } from "../../../server/kernel/package-root.js";

const PROGRAM = join(packageRoot, "test/fixtures/faults/dead_mount.py");

/** Why mounts cannot be tested here; undefined when they can. */
export function whyNoMounts(): string | undefined {
  if (process.getuid?.() !== 0) return "only root can mount";
  if (!existsSync("/dev/fuse")) return "there is no /dev/fuse";
  const probe = spawnSync("unshare", ["--mount", "true"]);
  return probe.status === 0 ? undefined : "this container may not mount";
}

/** A file system on which every call hangs, until it is disposed. */
export class DeadMount implements AsyncDisposable {
  readonly path: string;
  readonly #end: () => Promise<void>;

  private constructor(path: string, end: () => Promise<void>) {
    this.path = path;
    this.#end = end;
  }

  static async at(path: string): Promise<DeadMount> {
    await mkdir(path);
    const child = spawn("python3", [PROGRAM, path], { stdio: ["pipe", "pipe", "inherit"] });
    const exited = once(child, "exit");
    // A line, however many writes it comes in.
    const lines = createInterface({ input: child.stdout });
    const first: unknown[] = await Promise.race([once(lines, "line"), exited]);
    assert.equal(String(first[0]), "mounted");
    return new DeadMount(path, async () => {
      child.stdin.end();
      await exited;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }
}
