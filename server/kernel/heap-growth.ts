import { setFlagsFromString } from "node:v8";

/** How much the heap may grow beyond what lives, in percent, before V8 looks for garbage in all of it. */
const GROWTH_PERCENT = 200;

/**
 * Makes V8 collect the whole heap less often.
 *
 * The messages of streams lie outside of the heap, but V8 counts them as its growth. The daemon's
 * own heap is small, about 20 MB, and by default 8 MB of messages are enough for V8 to mark all of
 * it: with a busy queue that was more than half of the daemon's time. The price is that up to twice
 * the size of what lives may be garbage.
 */
export function letHeapGrow(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
}
