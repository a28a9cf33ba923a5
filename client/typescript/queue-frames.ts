/** What one Put may hold: the wire's bounds, and those of the queue, which a larger one could never meet. */
export interface FrameBounds {
  readonly maxItems: number;
  readonly maxBytes: number;
}

const largestFrameBytes = 1 << 20;
const mostItems = 1024;
/** Room for the other fields of a frame. */
const headerBytes = 64;

/**
 * Cuts items into runs for one Put each, in order. An item that fits nowhere is a run of its own, which the daemon
 * then refuses by name.
 */
export function* frames(
  items: readonly Uint8Array[],
  bounds: FrameBounds,
): Generator<readonly Uint8Array[], void, undefined> {
  const maxItems = Math.min(bounds.maxItems, mostItems);
  let begin = 0;
  let itemBytes = 0;
  let encodedBytes = headerBytes;
  for (const [index, item] of items.entries()) {
    const encoded = encodedSize(item.length);
    const fits =
      index - begin < maxItems &&
      itemBytes + item.length <= bounds.maxBytes &&
      encodedBytes + encoded <= largestFrameBytes;
    if (!fits && index > begin) {
      yield items.slice(begin, index);
      begin = index;
      itemBytes = 0;
      encodedBytes = headerBytes;
    }
    itemBytes += item.length;
    encodedBytes += encoded;
  }
  if (begin < items.length) yield items.slice(begin);
}

/** Tag, length as a varint, bytes. */
function encodedSize(length: number): number {
  let size = 2 + length;
  for (let rest = length >>> 7; rest > 0; rest >>>= 7) size++;
  return size;
}
