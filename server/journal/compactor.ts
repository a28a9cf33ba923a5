import { discardBefore } from "./discard-files.js";
import { type Headroom } from "./headroom.js";
import { type Journal } from "./journal.js";
import { isDiskFull } from "./journal-errors.js";
import { type JournalLog } from "./journal-log.js";
import { type LogTail } from "./log-tail.js";
import { type SegmentStorage } from "./segment-storage.js";
import { type KeyedState, writeSnapshot } from "./snapshot.js";

const MAX_SEGMENTS = 64;
/** After a failed compaction the next waits for this much more log, or for half of the live data to go. */
const RETRY_BYTES = 64 * 1024;

export interface CompactorParts {
  readonly storage: SegmentStorage;
  readonly log: JournalLog;
  readonly journal: Journal;
  readonly tail: LogTail;
  readonly headroom: Headroom;
  readonly snapshotBytes: number;
  /** Files to be renamed aside, not removed, when a snapshot replaces them. */
  readonly damaged: ReadonlySet<string>;
  readonly compactAboveBytes: number;
}

interface Failure {
  readonly logBytes: number;
  readonly liveBytes: number;
}

type TakeState = () => KeyedState & { readonly liveBytes: number };

/**
 * Replaces segments by snapshots when less than half of the bytes on disk are live, when there
 * are too many segments, or when a segment failed to sync (memory still has what the disk may
 * have lost). One at a time; appends go on in a new segment meanwhile.
 */
export class Compactor {
  readonly #parts: CompactorParts;
  readonly #stopped = new AbortController();
  #damaged: ReadonlySet<string>;
  #snapshotBytes: number;
  #running: Promise<void> | undefined;
  #failure: Failure | undefined;
  #diskFull = false;

  constructor(parts: CompactorParts) {
    this.#parts = parts;
    this.#snapshotBytes = parts.snapshotBytes;
    this.#damaged = parts.damaged;
  }

  /** From now on until the next success even a small gain is worth a snapshot. */
  noteDiskFull(): void {
    this.#diskFull = true;
  }

  /** Starts a compaction in the background if it is worth it. */
  consider(liveBytes: number, take: TakeState): void {
    if (this.#running !== undefined || this.#stopped.signal.aborted) return;
    const { tail, compactAboveBytes } = this.#parts;
    if (this.#failure !== undefined) {
      const grown = tail.totalBytes >= this.#failure.logBytes + RETRY_BYTES;
      if (!grown && liveBytes > this.#failure.liveBytes / 2) return;
    }
    const total = tail.totalBytes + this.#snapshotBytes;
    const wasteful = total > 2 * liveBytes && (total > compactAboveBytes || this.#diskFull);
    const needed = wasteful || tail.segmentCount > MAX_SEGMENTS || tail.damagedDurability;
    if (needed) void this.compact(take);
  }

  /** Never rejects. Joins a compaction that runs already. */
  compact(take: TakeState): Promise<void> {
    this.#running ??= this.#run(take).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Removes what an interrupted compaction left behind. */
  async tidy(snapshot: number): Promise<void> {
    const { storage, log } = this.#parts;
    try {
      // The snapshot's name may not be durable yet; what it replaces must not go first.
      await storage.syncDirectory();
      await discardBefore(storage, log, snapshot, this.#damaged);
    } catch (error) {
      log.warn("journal cannot tidy its directory", { error });
    }
  }

  async stop(): Promise<void> {
    this.#stopped.abort(new Error("The journal is closing"));
    await this.#running;
  }

  async #run(take: TakeState): Promise<void> {
    const { storage, log, journal, tail, headroom } = this.#parts;
    let cut: { sequence: number; state: ReturnType<TakeState> } | undefined;
    await journal.cut((sequence) => {
      cut = { sequence, state: take() };
    });
    if (cut === undefined) return;
    const { sequence, state } = cut;
    try {
      this.#snapshotBytes = await this.#write(sequence, state);
      tail.dropBefore(sequence);
      await discardBefore(storage, log, sequence, this.#damaged);
      this.#damaged = new Set();
      this.#failure = undefined;
      this.#diskFull = false;
      await headroom.ensure();
    } catch (error) {
      this.#failure = { logBytes: tail.totalBytes, liveBytes: state.liveBytes };
      if (!this.#stopped.signal.aborted) {
        log.warn("journal cannot write a snapshot", { sequence, error });
      }
    }
  }

  async #write(sequence: number, state: ReturnType<TakeState>): Promise<number> {
    const { storage, headroom } = this.#parts;
    const { signal } = this.#stopped;
    try {
      return await writeSnapshot(storage, sequence, state, signal);
    } catch (error) {
      // On a full disk a small snapshot is worth the reserve: it frees more than it takes.
      const small = 2 * state.liveBytes < headroom.sizeBytes;
      if (!isDiskFull(error) || !small || !(await headroom.release())) throw error;
      return writeSnapshot(storage, sequence, state, signal);
    }
  }
}
