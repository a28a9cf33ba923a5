/** How much one delivery may hold. */
export interface FrameLimits {
  readonly items: number;
  /** Bytes of items; one item always fits. */
  readonly bytes: number;
}

/** The largest encoded frame. */
export const maxFrameBytes = 1024 * 1024;

/** The most items that may be asked for at once. */
export const maxFrameItems = 65_536;

/** Room for the headers of a delivered frame: two varints and their tags are 18 bytes at most. */
const headerBytes = 32;

/** Tag and length of one item of at most 1 MiB, at most. */
const itemOverheadBytes = 4;

/** Whether items are sure to fit in one frame, whatever their lengths. */
export function fitsInFrame(items: number, bytes: number): boolean {
  return bytes + items * itemOverheadBytes <= maxFrameBytes - headerBytes;
}
