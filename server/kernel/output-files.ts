import { watch } from "node:fs";
import { type FileHandle, open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { type ProcessUid, parseProcessUid } from "../core/ids.js";
import { type LogStreamName, type OutputFile, type OutputFiles } from "../processes/output.js";
import { type LogExtent } from "../processes/process-state.js";

/** How often a file is looked at where the kernel has no more inotify watches to give. */
const POLL_MS = 250;

/** More than two lines with their numbers of 20 digits. */
const OFFSETS_BYTES = 256;

/** The output of workers where the keeper puts it: `<directory>/<uid>/{stdout,stderr,offsets}`. */
export class OutputDirectory implements OutputFiles {
  readonly #directory: () => string;

  /** `directory` may change with the keeper, and is asked for each time. */
  constructor(directory: () => string) {
    this.#directory = directory;
  }

  async open(uid: ProcessUid, stream: LogStreamName): Promise<OutputFile> {
    const directory = join(this.#directory(), uid);
    const path = join(directory, stream);
    const handle = await openIfThere(path);
    if (handle === undefined) return new AbsentFile();
    try {
      // Held open like the file itself: they must tell of each other after both were removed.
      const offsets = await openIfThere(join(directory, "offsets"));
      return new OpenOutputFile(path, handle, offsets, stream);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Positions now, without opening anything for long. */
  async extent(uid: ProcessUid, stream: LogStreamName): Promise<LogExtent> {
    const directory = join(this.#directory(), uid);
    const size = await stat(join(directory, stream)).then(
      (found) => found.size,
      (error: unknown) => absent(error, 0),
    );
    const offsets = await openIfThere(join(directory, "offsets"));
    try {
      return { ...(await readOffsets(offsets, stream)), end: size };
    } finally {
      await offsets?.close();
    }
  }

  /** Processes of which there is output. */
  async list(): Promise<readonly ProcessUid[]> {
    const names = await readdir(this.#directory());
    return names.map(parseProcessUid).filter((uid) => uid !== undefined);
  }
}

class OpenOutputFile implements OutputFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  readonly #offsets: FileHandle | undefined;
  readonly #stream: LogStreamName;

  constructor(
    path: string,
    handle: FileHandle,
    offsets: FileHandle | undefined,
    stream: LogStreamName,
  ) {
    this.#path = path;
    this.#handle = handle;
    this.#offsets = offsets;
    this.#stream = stream;
  }

  async extent(): Promise<LogExtent> {
    const { size } = await this.#handle.stat();
    return { ...(await readOffsets(this.#offsets, this.#stream)), end: size };
  }

  async read(buffer: Uint8Array, offset: number): Promise<number> {
    if (buffer.length === 0) return 0;
    return (await this.#handle.read(buffer, 0, buffer.length, offset)).bytesRead;
  }

  watch(onChange: () => void): Disposable {
    try {
      const watcher = watch(this.#path, { persistent: false }, onChange);
      watcher.on("error", onChange);
      return {
        [Symbol.dispose]: () => {
          watcher.close();
        },
      };
    } catch {
      const timer = setInterval(onChange, POLL_MS);
      return {
        [Symbol.dispose]: () => {
          clearInterval(timer);
        },
      };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
    await this.#offsets?.close();
  }
}

/** Of a stream that has no file: it is empty for ever. */
class AbsentFile implements OutputFile {
  extent(): Promise<LogExtent> {
    return Promise.resolve({ epoch: 0, begin: 0, end: 0 });
  }

  read(): Promise<number> {
    return Promise.resolve(0);
  }

  watch(): Disposable {
    return { [Symbol.dispose]: () => undefined };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** The keeper writes one line per stream: its name, the epoch, and the first offset that is kept. */
async function readOffsets(
  offsets: FileHandle | undefined,
  stream: LogStreamName,
): Promise<{ epoch: number; begin: number }> {
  if (offsets === undefined) return { epoch: 0, begin: 0 };
  const { buffer, bytesRead } = await offsets.read(
    Buffer.alloc(OFFSETS_BYTES),
    0,
    OFFSETS_BYTES,
    0,
  );
  const text = buffer.toString("latin1", 0, bytesRead);
  const match = new RegExp(`^${stream} (\\d+) (\\d+)$`, "m").exec(text);
  return { epoch: Number(match?.[1] ?? 0), begin: Number(match?.[2] ?? 0) };
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "r");
  } catch (error) {
    return absent<FileHandle | undefined>(error, undefined);
  }
}

function absent<T>(error: unknown, value: T): T {
  if (error instanceof Error && "code" in error && error.code === "ENOENT") return value;
  throw error;
}
