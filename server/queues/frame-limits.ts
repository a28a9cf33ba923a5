/** How much one delivery may hold. */
export interface FrameLimits {
  readonly items: number;
  /** Bytes of items; one item always fits. */
  readonly bytes: number;
}

/** The largest encoded frame. */
export const MAX_FRAME_BYTES = 1024 * 1024;

/** The largest item that travels in one frame, with its headers. */
export const MAX_FRAMED_ITEM_BYTES = 1_048_512;

/** The largest item, which travels in parts. */
export const MAX_ITEM_BYTES = 64 * 1024 * 1024;

/** The most items that may be asked for at once. */
export const MAX_FRAME_ITEMS = 65_536;

/** What the items of a frame may take as they travel: the headers are at most 60 bytes. */
export const MAX_ENCODED_ITEMS_BYTES = MAX_FRAME_BYTES - 60;
