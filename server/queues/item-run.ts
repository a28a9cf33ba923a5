import { type Items } from "../../wire/items.js";

/**
 * Items with consecutive sequences, in order, and the memory that holds them.
 *
 * A run owns its memory, which nothing else keeps alive. So what a queue holds is what it counts:
 * no item of ten bytes keeps a message of a megabyte.
 */
export interface ItemRun {
  readonly firstSeq: number;
  readonly items: Items;
  /** Bytes of the memory: more than the items have when others were split off. */
  readonly heldBytes: number;
  /** What it takes of the budget of all queues. */
  readonly cost: number;
  /** When the first of them was put, on the monotonic clock. */
  readonly putAt: number;
}

/** What a put costs beside its items as they travel: the objects that hold it. */
const RUN_OVERHEAD_BYTES = 320;

/** Below this a buffer may outlive most of its items: copying again would cost more than it frees. */
const SMALL_BUFFER_BYTES = 16 * 1024;

/** What the items of one put take of the memory that all queues share. */
export function costOf(items: Items): number {
  return items.encoded.length + RUN_OVERHEAD_BYTES;
}

/** The same items in memory of their own, for a queue to keep: nobody else may write to it. */
export function ownedItems(items: Items): Items {
  const { length, buffer } = items.encoded;
  return length * 2 > buffer.byteLength ? items : items.copy();
}

/** The first items and the rest, of which neither is empty. Both still share the memory. */
export function splitRun(run: ItemRun, [items, others]: [Items, Items]): [ItemRun, ItemRun] {
  const { firstSeq, heldBytes, putAt } = run;
  const cost = items.encoded.length;
  const rest = {
    firstSeq: firstSeq + items.count,
    items: others,
    heldBytes,
    cost: run.cost - cost,
    putAt,
  };
  return [{ firstSeq, items, heldBytes, cost, putAt }, rest];
}

/** The same items, copied when most of their memory belongs to items that have gone. */
export function compactRun(run: ItemRun): ItemRun {
  const { length } = run.items.encoded;
  if (run.heldBytes <= SMALL_BUFFER_BYTES || length * 2 > run.heldBytes) return run;
  return { ...run, items: run.items.copy(), heldBytes: length };
}
