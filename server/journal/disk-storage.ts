import { constants } from "node:fs";
import { open, readFile, readdir, rename, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { type SegmentFile, type SegmentStorage } from "./segment-storage.js";

/** The journal's files in a directory that exists already and belongs to this journal alone. */
export class DiskStorage implements SegmentStorage {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  list(): Promise<readonly string[]> {
    return readdir(this.#directory);
  }

  read(name: string): Promise<Buffer> {
    return readFile(this.#path(name));
  }

  create(name: string): Promise<SegmentFile> {
    const { O_CREAT, O_NOFOLLOW, O_TRUNC, O_WRONLY } = constants;
    return this.#open(name, O_CREAT | O_NOFOLLOW | O_TRUNC | O_WRONLY);
  }

  open(name: string): Promise<SegmentFile> {
    return this.#open(name, constants.O_NOFOLLOW | constants.O_WRONLY);
  }

  rename(from: string, to: string): Promise<void> {
    return rename(this.#path(from), this.#path(to));
  }

  remove(name: string): Promise<void> {
    return rm(this.#path(name), { force: true });
  }

  async syncDirectory(): Promise<void> {
    const handle = await open(this.#directory, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  async #open(name: string, flags: number): Promise<SegmentFile> {
    return new DiskFile(await open(this.#path(name), flags, 0o600));
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }
}

class DiskFile implements SegmentFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    // A nearly full disk takes a part and says so only on the next call.
    for (let done = 0; done < bytes.byteLength;) {
      const left = bytes.byteLength - done;
      const { bytesWritten } = await this.#handle.write(bytes, done, left, position + done);
      done += bytesWritten;
    }
  }

  sync(): Promise<void> {
    return this.#handle.datasync();
  }

  truncate(length: number): Promise<void> {
    return this.#handle.truncate(length);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
