import { spawnSync } from "node:child_process";
import { closeSync, openSync, unlinkSync, writeSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FILLER = "filler";

/** A file system of its own with little room. */
export class SmallDisk implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async mount(megabytes: number): Promise<SmallDisk> {
    const path = await mkdtemp(join(tmpdir(), "forkbus-disk-"));
    const { status, stderr } = spawnSync(
      "mount",
      ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", path],
      { encoding: "utf8" },
    );
    if (status !== 0) {
      await rm(path, { recursive: true });
      throw new Error(`mount failed: ${stderr}`);
    }
    return new SmallDisk(path);
  }

  /** Leaves not one page. */
  fill(): void {
    const file = openSync(this.#filler, "a");
    try {
      for (const bytes of [1 << 20, 1 << 12]) {
        const block = Buffer.alloc(bytes, 1);
        while (hasRoom(() => writeSync(file, block)));
      }
    } finally {
      closeSync(file);
    }
  }

  /** Without a name: what `fill` has written. */
  free(name = FILLER): void {
    unlinkSync(join(this.path, name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Lazily: what a failed test left running may still be on it.
    spawnSync("umount", ["--lazy", this.path]);
    await rm(this.path, { recursive: true, force: true });
  }

  get #filler(): string {
    return join(this.path, FILLER);
  }
}

function hasRoom(write: () => number): boolean {
  try {
    return write() > 0;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOSPC") return false;
    throw error;
  }
}
