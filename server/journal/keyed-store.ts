import { type Change, encodeChanges } from "./changes.js";
import { Compactor } from "./compactor.js";
import { DiskStorage } from "./disk-storage.js";
import { Headroom } from "./headroom.js";
import { Journal } from "./journal.js";
import { isDiskFull } from "./journal-errors.js";
import { type JournalLog, silentLog } from "./journal-log.js";
import { CHANGES_RECORD, recoverState, type RecoveredState } from "./keyed-recovery.js";
import { LogTail } from "./log-tail.js";
import { type Damage } from "./read-log.js";
import { type SegmentStorage } from "./segment-storage.js";
import { entryBytes } from "./snapshot.js";

export interface KeyedStoreOptions {
  /** Exists already and belongs to this store alone. */
  readonly directory: string;
  /** Stands in for the directory's files. */
  readonly storage?: SegmentStorage;
  /** A segment larger than this is followed by a new one. Default 8 MiB. */
  readonly segmentBytes?: number;
  /** Below this size on disk nothing is compacted, except on a full disk. Default 4 MiB. */
  readonly compactAboveBytes?: number;
  /** Space held back for deletions on a full disk. Default 256 KiB; 0 is none. */
  readonly reserveBytes?: number;
  readonly log?: JournalLog;
}

export interface WriteOptions {
  /** Resolve only when the change survives power loss; otherwise when it survives our death. */
  readonly durable?: boolean;
}

export interface Recovered {
  /** The live state: right after `open`, what was recovered. */
  readonly entries: ReadonlyMap<string, Uint8Array>;
  /**
   * Keys whose value was true once but may be out of date, or whose deletion may be lost,
   * because a later stretch of the log was. A key leaves this set with its next write, and stays
   * in it across restarts until then.
   */
  readonly suspect: ReadonlySet<string>;
  /** Bytes of a write that never finished, cut away. Normal after a crash. */
  readonly tornBytes: number;
  /** Acknowledged bytes that are lost. Keys put only there are missing from `entries`. */
  readonly quarantined: readonly Damage[];
}

/**
 * A map from keys to bytes that survives: a log of changes, now and then replaced by a snapshot.
 *
 * Promises settle in the order of the calls. A batch is all or nothing, also after a crash. A
 * change is visible in `entries` once it is kept; a rejected one never is, except that after
 * NotDurableError the change is kept and visible and only its durability is missing.
 * A full disk rejects with DomainError "disk-full"; deletions may then use the space reserve.
 * Nothing here ends the daemon: damage is reported in `recovered`, failing to compact is warned of.
 */
export class KeyedStore implements AsyncDisposable {
  readonly recovered: Recovered;
  readonly #entries: Map<string, Uint8Array>;
  readonly #suspect: Set<string>;
  readonly #journal: Journal;
  readonly #compactor: Compactor;
  #liveBytes = 0;

  private constructor(state: RecoveredState, journal: Journal, compactor: Compactor) {
    this.#entries = state.entries;
    this.#suspect = state.suspect;
    this.#journal = journal;
    this.#compactor = compactor;
    for (const [key, value] of state.entries) this.#liveBytes += entryBytes(key, value);
    this.recovered = {
      entries: state.entries,
      suspect: state.suspect,
      tornBytes: state.tornBytes,
      quarantined: state.damages,
    };
  }

  /**
   * Reads the whole state. Damaged files are renamed to `*.damaged` once a snapshot of what could
   * be saved is durable. Throws if the files cannot be read at all or have a newer format; a full
   * disk is no obstacle.
   */
  static async open(options: KeyedStoreOptions): Promise<KeyedStore> {
    const storage = options.storage ?? new DiskStorage(options.directory);
    const log = options.log ?? silentLog;
    const segmentBytes = options.segmentBytes ?? 8 * 1024 * 1024;
    const state = await recoverState(storage);
    await settleLast(storage, state, log);
    const headroom = new Headroom(storage, options.reserveBytes ?? 256 * 1024, log);
    await headroom.ensure();
    const tail = new LogTail(storage, log, state.position);
    const journal = new Journal(tail, headroom, log, segmentBytes);
    const compactor = new Compactor({
      storage,
      log,
      journal,
      tail,
      headroom,
      snapshotBytes: state.snapshotBytes,
      damaged: new Set(state.damages.map(({ file }) => file)),
      compactAboveBytes: options.compactAboveBytes ?? 4 * 1024 * 1024,
    });
    const store = new KeyedStore(state, journal, compactor);
    await compactor.tidy(state.position.follows);
    if (state.damages.length > 0) {
      log.warn("journal is damaged", { damages: state.damages, suspect: state.suspect.size });
      await store.compact();
    }
    return store;
  }

  get entries(): ReadonlyMap<string, Uint8Array> {
    return this.#entries;
  }

  /** The stored bytes themselves, not a copy: do not change them. */
  get(key: string): Uint8Array | undefined {
    return this.#entries.get(key);
  }

  /** Copies `value` before it returns. */
  put(key: string, value: Uint8Array, options: WriteOptions = {}): Promise<void> {
    return this.batch([{ kind: "put", key, value }], options);
  }

  delete(key: string, options: WriteOptions = {}): Promise<void> {
    return this.batch([{ kind: "delete", key }], options);
  }

  /** Applies the changes in order, all or none. Throws at once for a malformed key. */
  batch(changes: readonly Change[], options: WriteOptions = {}): Promise<void> {
    const payload = encodeChanges(changes);
    const owned = changes.map(ownChange);
    const written = this.#journal.append(CHANGES_RECORD, payload, {
      durable: options.durable === true,
      urgent: changes.every(({ kind }) => kind === "delete"),
      onKept: () => {
        for (const change of owned) this.#apply(change);
      },
    });
    return this.#watch(written);
  }

  /** Resolves when all changes so far are kept (or rejected). */
  flush(): Promise<void> {
    return this.#watch(this.#journal.flush());
  }

  /** Resolves when all changes so far are durable; rejects with NotDurableError if the disk refuses. */
  sync(): Promise<void> {
    return this.#watch(this.#journal.sync());
  }

  /** Replaces log and snapshot by a snapshot of the present state. Never rejects: a failure is warned of. */
  compact(): Promise<void> {
    return this.#compactor.compact(() => this.#state());
  }

  /** Gives up a compaction under way, writes and syncs everything, lets go of the files. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#compactor.stop();
    await this.#journal.close();
  }

  /** The same number of turns for every call, so that promises settle in the order of the calls. */
  #watch(work: Promise<void>): Promise<void> {
    return work.then(
      () => {
        this.#considerCompaction();
      },
      (error: unknown) => {
        if (isDiskFull(error)) this.#compactor.noteDiskFull();
        this.#considerCompaction();
        throw error;
      },
    );
  }

  #considerCompaction(): void {
    this.#compactor.consider(this.#liveBytes, () => this.#state());
  }

  #apply(change: Change): void {
    const { key } = change;
    const old = this.#entries.get(key);
    if (old !== undefined) this.#liveBytes -= entryBytes(key, old);
    this.#suspect.delete(key);
    if (change.kind === "delete") {
      this.#entries.delete(key);
    } else {
      this.#entries.set(key, change.value);
      this.#liveBytes += entryBytes(key, change.value);
    }
  }

  #state(): {
    entries: ReadonlyMap<string, Uint8Array>;
    suspect: ReadonlySet<string>;
    liveBytes: number;
  } {
    return {
      entries: new Map(this.#entries),
      suspect: new Set(this.#suspect),
      liveBytes: this.#liveBytes,
    };
  }
}

function ownChange(change: Change): Change {
  return change.kind === "put" ? { ...change, value: new Uint8Array(change.value) } : change;
}

/** Cuts the torn tail and makes what was read durable, so that later promises rest on firm ground. */
async function settleLast(
  storage: SegmentStorage,
  state: RecoveredState,
  log: JournalLog,
): Promise<void> {
  if (state.last === undefined) return;
  const { name, end } = state.last;
  try {
    if (end === 0) {
      await storage.remove(name);
      return;
    }
    const file = await storage.open(name);
    try {
      if (state.tornBytes > 0) await file.truncate(end);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    log.warn("journal cannot settle its last segment", { file: name, error });
  }
}
