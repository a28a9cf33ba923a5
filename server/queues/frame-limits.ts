/** How much one delivery may hold. */
export interface FrameLimits {
  readonly items: number;
  /** Bytes of items; one item always fits. */
  readonly bytes: number;
}

/** The largest encoded frame. */
export const MAX_FRAME_BYTES = 1024 * 1024;

/** The largest item: what fits in a frame with its headers. */
export const MAX_ITEM_BYTES = 1_048_512;

/** The most items that may be asked for at once. */
export const MAX_FRAME_ITEMS = 65_536;

/** Room for the headers of a delivered frame: two varints and their tags are 18 bytes at most. */
const HEADER_BYTES = 32;

/** Tag and length of one item of at most 1 MiB, at most. */
const ITEM_OVERHEAD_BYTES = 4;

/** Whether items are sure to fit in one frame, whatever their lengths. */
export function fitsInFrame(items: number, bytes: number): boolean {
  return bytes + items * ITEM_OVERHEAD_BYTES <= MAX_FRAME_BYTES - HEADER_BYTES;
}
