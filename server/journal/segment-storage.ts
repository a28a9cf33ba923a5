/** A file open for writing. Calls are never made concurrently on one file. */
export interface SegmentFile {
  /** Writes all of `bytes` at `position`. When it rejects, any part of them may have been written. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Resolves when data and length survive power loss. */
  sync(): Promise<void>;
  truncate(length: number): Promise<void>;
  close(): Promise<void>;
}

/**
 * One flat directory of files: the only thing the journal knows about file systems. Names never
 * contain a slash. Files and names survive the death of this process as soon as a call resolves,
 * and power loss only after `SegmentFile.sync` and `syncDirectory`.
 */
export interface SegmentStorage {
  list(): Promise<readonly string[]>;
  read(name: string): Promise<Buffer>;
  /** Makes the file, empty and private to this user; an existing one is emptied. */
  create(name: string): Promise<SegmentFile>;
  /** Opens an existing file as it is. */
  open(name: string): Promise<SegmentFile>;
  /** Replaces `to` if it exists. */
  rename(from: string, to: string): Promise<void>;
  /** Succeeds if the file is not there. */
  remove(name: string): Promise<void>;
  syncDirectory(): Promise<void>;
}
