import { type Change } from "../../../server/journal/changes.js";
import { KeyedStore, type KeyedStoreOptions } from "../../../server/journal/keyed-store.js";
import { type FaultyStorage } from "./faulty-storage.js";

export interface Step {
  readonly changes: readonly Change[];
  readonly durable: boolean;
  /** Wait for this step before the next is called. */
  readonly wait: boolean;
}

/** What a store should hold, as text so that states compare and print well. */
export type Contents = Readonly<Record<string, string>>;

/** Small enough for rotation and compaction to happen within a few records. */
export const TINY = { directory: "", segmentBytes: 400, compactAboveBytes: 900, reserveBytes: 64 };

export function put(key: string, text: string): Change {
  return { kind: "put", key, value: Buffer.from(text) };
}

export function remove(key: string): Change {
  return { kind: "delete", key };
}

export function contents(entries: ReadonlyMap<string, Uint8Array>): Contents {
  const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(sorted.map(([key, value]) => [key, Buffer.from(value).toString()]));
}

export function openStore(
  storage: FaultyStorage,
  options: Partial<KeyedStoreOptions> = {},
): Promise<KeyedStore> {
  return KeyedStore.open({ ...TINY, storage, ...options });
}

export function applied(before: Contents, changes: readonly Change[]): Contents {
  const state = new Map(Object.entries(before).map(([key, text]) => [key, Buffer.from(text)]));
  for (const change of changes) {
    if (change.kind === "put") state.set(change.key, Buffer.from(change.value));
    else state.delete(change.key);
  }
  return contents(state);
}

/** The state before the first step and after each. */
export function statesOf(steps: readonly Step[]): readonly Contents[] {
  const states: Contents[] = [{}];
  for (const { changes } of steps) states.push(applied(states.at(-1) ?? {}, changes));
  return states;
}

/** How far a run came: how many of its first steps were acknowledged, and up to which one durably. */
export interface Progress {
  acknowledged: number;
  durable: number;
}

/**
 * Runs the steps on a new store until they are done or the storage dies, and closes the store.
 * `outOfOrder` counts promises that settled before an earlier one.
 */
export async function run(
  storage: FaultyStorage,
  steps: readonly Step[],
): Promise<Progress & { readonly outOfOrder: number }> {
  const progress = { acknowledged: 0, durable: 0, outOfOrder: 0 };
  const work = async (): Promise<void> => {
    const store = await openStore(storage);
    const calls: Promise<void>[] = [];
    for (const [index, { changes, durable, wait }] of steps.entries()) {
      const done = store.batch(changes, { durable }).then(() => {
        if (progress.acknowledged !== index) progress.outOfOrder += 1;
        progress.acknowledged = index + 1;
        if (durable) progress.durable = index + 1;
      });
      calls.push(done);
      if (wait) await done;
    }
    await Promise.all(calls);
    await store[Symbol.asyncDispose]();
  };
  await Promise.race([work(), storage.death]);
  return progress;
}

/** A history that rotates segments, compacts, deletes, and mixes both promises. */
export function smallHistory(): readonly Step[] {
  const steps: Step[] = [];
  for (let round = 0; round < 12; round += 1) {
    const key = `process/${round % 4}`;
    const first = { changes: [put(key, `state ${round} ${"x".repeat(40)}`)], durable: false };
    const both = {
      changes: [put("a", `${round}`), put("b", `${round}`)],
      durable: round % 3 === 0,
    };
    steps.push({ ...first, wait: round % 2 === 0 }, { ...both, wait: true });
    if (round % 5 === 4) steps.push({ changes: [remove(key)], durable: true, wait: false });
  }
  return steps;
}
