import { decodeChanges } from "./changes.js";
import { parseFileName } from "./file-names.js";
import { type LogPosition } from "./log-tail.js";
import { type Damage, readLog } from "./read-log.js";
import { readSnapshot } from "./snapshot.js";
import { type SegmentStorage } from "./segment-storage.js";

/** The record type of a batch of changes. */
export const CHANGES_RECORD = 1;

export interface RecoveredState {
  readonly entries: Map<string, Uint8Array>;
  readonly suspect: Set<string>;
  readonly position: LogPosition;
  readonly snapshotBytes: number;
  readonly tornBytes: number;
  readonly damages: readonly Damage[];
  readonly last: { readonly name: string; readonly end: number } | undefined;
}

/**
 * The state that the newest snapshot and the segments after it hold. Changes no file.
 *
 * Where a stretch of the log is lost, any key may have been changed in it. So every key known
 * at that point becomes suspect, and stops being so at its next change in the log.
 */
export async function recoverState(storage: SegmentStorage): Promise<RecoveredState> {
  const snapshot = await newestSnapshot(storage);
  const base =
    snapshot === 0
      ? {
          entries: new Map<string, Uint8Array>(),
          suspect: new Set<string>(),
          sizeBytes: 0,
          damages: [],
        }
      : await readSnapshot(storage, snapshot);
  const { entries, suspect } = base;
  const damages = [...base.damages];
  const log = await readLog(storage, snapshot, {
    record: ({ type, payload }) => {
      const changes = type === CHANGES_RECORD ? decodeChanges(payload) : undefined;
      for (const change of changes ?? []) {
        suspect.delete(change.key);
        if (change.kind === "put") entries.set(change.key, change.value);
        else entries.delete(change.key);
      }
      return changes !== undefined;
    },
    damage: (damage) => {
      damages.push(damage);
      if (damage.bytes === 0) return;
      for (const key of entries.keys()) suspect.add(key);
    },
  });
  return { ...log, entries, suspect, snapshotBytes: base.sizeBytes, damages };
}

/** The number of the newest snapshot, 0 if there is none. */
async function newestSnapshot(storage: SegmentStorage): Promise<number> {
  let newest = 0;
  for (const name of await storage.list()) {
    const parsed = parseFileName(name);
    if (parsed.kind === "snapshot") newest = Math.max(newest, parsed.sequence);
  }
  return newest;
}

/** True for a file that the state up to `snapshot` no longer needs. */
export function isSuperseded(name: string, snapshot: number): boolean {
  const parsed = parseFileName(name);
  if (parsed.kind === "unfinished") return true;
  if (parsed.kind !== "segment" && parsed.kind !== "snapshot") return false;
  return parsed.sequence < snapshot;
}
