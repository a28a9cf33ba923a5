/**
 * Items with consecutive sequences, in order, and the memory that holds them.
 *
 * A run owns one buffer that nothing else keeps alive, and its items are views of it. So what a
 * queue holds is what it counts: no item of ten bytes keeps a message of a megabyte.
 */
export interface ItemRun {
  readonly firstSeq: number;
  readonly items: readonly Uint8Array[];
  /** Bytes of the items. */
  readonly bytes: number;
  /** Bytes of the buffer: more than `bytes` when other items were split off. */
  readonly heldBytes: number;
  /** When the first of them was put, on the monotonic clock. */
  readonly putAt: number;
}

/** Below this a buffer may outlive most of its items: copying again would cost more than it frees. */
const SMALL_BUFFER_BYTES = 16 * 1024;

/** So that taking items one by one from a large put does not move the rest again and again. */
const MAX_RUN_ITEMS = 256;

/** Copies the items of one put out of the caller's buffers. */
export function ownPut(
  firstSeq: number,
  items: readonly Uint8Array[],
  putAt: number,
): readonly ItemRun[] {
  const runs: ItemRun[] = [];
  for (let start = 0; start < items.length; start += MAX_RUN_ITEMS) {
    runs.push(ownItems(firstSeq + start, items.slice(start, start + MAX_RUN_ITEMS), putAt));
  }
  return runs;
}

function ownItems(firstSeq: number, items: readonly Uint8Array[], putAt: number): ItemRun {
  let bytes = 0;
  for (const item of items) bytes += item.length;
  const buffer = new Uint8Array(bytes);
  let end = 0;
  const owned = items.map((item) => {
    const start = end;
    end += item.length;
    buffer.set(item, start);
    return buffer.subarray(start, end);
  });
  return { firstSeq, items: owned, bytes, heldBytes: bytes, putAt };
}

/** The first `count` items and the rest, of which neither is empty. Both still share the buffer. */
export function splitRun(run: ItemRun, count: number): [ItemRun, ItemRun] {
  if (count < 1 || count >= run.items.length) {
    throw new Error(`A run of ${run.items.length} items cannot be split after ${count}`);
  }
  const items = run.items.slice(0, count);
  let bytes = 0;
  for (const item of items) bytes += item.length;
  const { firstSeq, heldBytes, putAt } = run;
  return [
    { firstSeq, items, bytes, heldBytes, putAt },
    {
      firstSeq: firstSeq + count,
      items: run.items.slice(count),
      bytes: run.bytes - bytes,
      heldBytes,
      putAt,
    },
  ];
}

/** The same items, copied when most of their buffer belongs to items that have gone. */
export function compactRun(run: ItemRun): ItemRun {
  if (run.heldBytes <= SMALL_BUFFER_BYTES || run.bytes * 2 > run.heldBytes) return run;
  return ownItems(run.firstSeq, run.items, run.putAt);
}
