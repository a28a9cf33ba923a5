import { deferred } from "../../../server/core/deferred.js";
import { type SegmentFile, type SegmentStorage } from "../../../server/journal/segment-storage.js";

export type Operation =
  | "list"
  | "read"
  | "create"
  | "open"
  | "write"
  | "sync"
  | "truncate"
  | "close"
  | "rename"
  | "remove"
  | "syncDirectory";

export interface Call {
  /** Counts from 0; `list` and `read` are not counted, since they change nothing. */
  readonly index: number;
  readonly operation: Operation;
  readonly name: string;
  readonly sizeBytes: number;
}

/**
 * `fail` rejects the call after `written` of its bytes went to the file. `die` is the end of
 * the process in the middle of the call: it and all later ones never return.
 */
export type Fault =
  | { readonly kind: "fail"; readonly code: string; readonly written?: number }
  | { readonly kind: "die"; readonly written: number };

interface Inode {
  data: Buffer;
  /** What the disk is sure to hold. */
  synced: Buffer;
}

type Directory = ReadonlyMap<string, Inode>;

/** Which of the things that power loss may or may not undo it undoes: returns 0 to `choices - 1`. */
export type Choose = (choices: number) => number;

/** A directory in memory that fails, dies or loses power on demand. */
export class FaultyStorage implements SegmentStorage {
  readonly calls: Call[] = [];
  plan: (call: Call) => Fault | undefined = () => undefined;
  #files: Map<string, Inode>;
  #durable: Directory;
  /** Every state of the directory since it was last synced. */
  #since: Directory[] = [];
  readonly #death = deferred();
  #dead = false;

  constructor(files: ReadonlyMap<string, Buffer> = new Map()) {
    this.#files = new Map(
      [...files].map(([name, data]) => [name, { data: Buffer.from(data), synced: data }]),
    );
    this.#durable = new Map(this.#files);
  }

  /** Resolves when a fault has ended the process. */
  get death(): Promise<void> {
    return this.#death.promise;
  }

  get totalBytes(): number {
    return [...this.#files.values()].reduce((sum, { data }) => sum + data.length, 0);
  }

  /** What the next process finds after this one died: everything written, synced or not. */
  afterDeath(): Map<string, Buffer> {
    return new Map([...this.#files].map(([name, { data }]) => [name, Buffer.from(data)]));
  }

  /** What is found after power loss: what was synced, and of the rest what `choose` decides. */
  afterPowerLoss(choose: Choose): Map<string, Buffer> {
    const directories = [this.#durable, ...this.#since];
    const directory = directories[choose(directories.length)] ?? this.#durable;
    return new Map([...directory].map(([name, inode]) => [name, survivingData(inode, choose)]));
  }

  list(): Promise<readonly string[]> {
    return this.#dead ? forever() : Promise.resolve([...this.#files.keys()]);
  }

  read(name: string): Promise<Buffer> {
    const inode = this.#files.get(name);
    if (this.#dead) return forever();
    return inode === undefined ? failing("ENOENT") : Promise.resolve(Buffer.from(inode.data));
  }

  create(name: string): Promise<SegmentFile> {
    return this.#call("create", name, 0, () => {
      const inode: Inode = this.#files.get(name) ?? {
        data: Buffer.alloc(0),
        synced: Buffer.alloc(0),
      };
      inode.data = Buffer.alloc(0);
      this.#files.set(name, inode);
      this.#directoryChanged();
      return this.#file(name, inode);
    });
  }

  open(name: string): Promise<SegmentFile> {
    const inode = this.#files.get(name);
    if (inode === undefined) return failing("ENOENT");
    return this.#call("open", name, 0, () => this.#file(name, inode));
  }

  rename(from: string, to: string): Promise<void> {
    const inode = this.#files.get(from);
    if (inode === undefined) return failing("ENOENT");
    return this.#call("rename", from, 0, () => {
      this.#files.delete(from);
      this.#files.set(to, inode);
      this.#directoryChanged();
    });
  }

  remove(name: string): Promise<void> {
    return this.#call("remove", name, 0, () => {
      if (this.#files.delete(name)) this.#directoryChanged();
    });
  }

  syncDirectory(): Promise<void> {
    return this.#call("syncDirectory", "", 0, () => {
      this.#durable = new Map(this.#files);
      this.#since = [];
    });
  }

  #file(name: string, inode: Inode): SegmentFile {
    return {
      write: (bytes, position) =>
        this.#call("write", name, bytes.byteLength, (written) => {
          const end = Math.max(inode.data.length, position + written);
          const data = Buffer.alloc(end);
          data.set(inode.data);
          data.set(bytes.subarray(0, written), position);
          inode.data = data;
        }),
      sync: () =>
        this.#call("sync", name, 0, () => {
          inode.synced = inode.data;
        }),
      truncate: (length) =>
        this.#call("truncate", name, 0, () => {
          inode.data = Buffer.from(inode.data.subarray(0, length));
        }),
      close: () => this.#call("close", name, 0, () => undefined),
    };
  }

  async #call<T>(
    operation: Operation,
    name: string,
    sizeBytes: number,
    act: (written: number) => T,
  ): Promise<T> {
    // A real file system never answers within the same turn.
    await Promise.resolve();
    if (this.#dead) return forever();
    const call = { index: this.calls.length, operation, name, sizeBytes };
    this.calls.push(call);
    const fault = this.plan(call);
    if (fault === undefined) return act(sizeBytes);
    if (operation === "write") act(fault.written ?? 0);
    if (fault.kind === "fail") return failing(fault.code);
    this.#dead = true;
    this.#death.resolve();
    return forever();
  }

  #directoryChanged(): void {
    this.#since.push(new Map(this.#files));
  }
}

function survivingData({ data, synced }: Inode, choose: Choose): Buffer {
  if (data.equals(synced)) return Buffer.from(data);
  const grown = data.length > synced.length && data.subarray(0, synced.length).equals(synced);
  // What was overwritten or cut without a sync is either as before or as after.
  if (!grown) return Buffer.from(choose(2) === 0 ? synced : data);
  return Buffer.from(data.subarray(0, synced.length + choose(data.length - synced.length + 1)));
}

function failing(code: string): Promise<never> {
  return Promise.reject(Object.assign(new Error(`${code}: injected`), { code }));
}

function forever(): Promise<never> {
  return new Promise(() => undefined);
}
