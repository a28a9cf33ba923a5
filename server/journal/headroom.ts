import { randomBytes } from "node:crypto";
import { RESERVE_NAME } from "./file-names.js";
import { type JournalLog } from "./journal-log.js";
import { type SegmentStorage } from "./segment-storage.js";

/**
 * A file that does nothing but occupy space, given up when the disk is full so that what frees
 * space (deletions, a snapshot of what is left) can still be written. It holds random bytes,
 * because a file system may store zeros in no space at all.
 */
export class Headroom {
  readonly #storage: SegmentStorage;
  readonly sizeBytes: number;
  readonly #log: JournalLog;
  #held = false;
  #making: Promise<void> | undefined;
  #releasing: Promise<boolean> | undefined;
  #writtenSinceReleased = 0;

  constructor(storage: SegmentStorage, sizeBytes: number, log: JournalLog) {
    this.#storage = storage;
    this.sizeBytes = sizeBytes;
    this.#log = log;
  }

  /** Never rejects: a disk too full for the reserve is a state, not a failure. */
  async ensure(): Promise<void> {
    if (this.#held || this.sizeBytes === 0) return;
    this.#making ??= this.#make().finally(() => {
      this.#making = undefined;
    });
    await this.#making;
  }

  /** True if space was given back to the file system just now. Joins a release that is under way. */
  async release(): Promise<boolean> {
    if (!this.#held) return this.#releasing ?? false;
    this.#held = false;
    this.#writtenSinceReleased = 0;
    this.#log.warn("journal gave up its space reserve", { sizeBytes: this.sizeBytes });
    this.#releasing = this.#remove().finally(() => {
      this.#releasing = undefined;
    });
    return this.#releasing;
  }

  /** Makes the reserve again once as many ordinary bytes as it needs have found room. */
  async noteWritten(sizeBytes: number): Promise<void> {
    if (this.#held) return;
    this.#writtenSinceReleased += sizeBytes;
    if (this.#writtenSinceReleased >= this.sizeBytes) await this.ensure();
  }

  async #make(): Promise<void> {
    this.#writtenSinceReleased = 0;
    try {
      const file = await this.#storage.create(RESERVE_NAME);
      try {
        await file.write(randomBytes(this.sizeBytes), 0);
      } finally {
        await file.close();
      }
      this.#held = true;
    } catch (error) {
      this.#log.warn("journal has no space reserve", { sizeBytes: this.sizeBytes, error });
      await this.#remove();
    }
  }

  async #remove(): Promise<boolean> {
    try {
      await this.#storage.remove(RESERVE_NAME);
      return true;
    } catch (error) {
      this.#log.warn("journal cannot remove its space reserve", { error });
      return false;
    }
  }
}
