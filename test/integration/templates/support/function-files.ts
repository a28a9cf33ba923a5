import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A directory of modules that a test has written, for `modulePath`. */
export class FunctionFiles implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async write(files: Readonly<Record<string, string>> = {}): Promise<FunctionFiles> {
    const written = new FunctionFiles(await mkdtemp(join(tmpdir(), "forkbus-modules-")));
    for (const [name, text] of Object.entries(files)) await written.add(name, text);
    return written;
  }

  /** The path of the file. */
  async add(name: string, text: string): Promise<string> {
    const path = join(this.path, name);
    await writeFile(path, text);
    return path;
  }

  file(name: string): string {
    return join(this.path, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true });
  }
}
