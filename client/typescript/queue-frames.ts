import { varintBytes } from "../../wire/varint.js";
import { SourceReader } from "./source-reader.js";

/** What one frame may hold: the wire's bounds, and those of the queue, which a larger one could never meet. */
export interface FrameBounds {
  readonly maxItems: number;
  readonly maxBytes: number;
}

/** The largest item that travels in one frame: larger ones go in parts, on streams only. */
export const largestFramedItem = 1_048_512;

/** The largest item that there may be. */
export const largestItem = 64 * 1024 * 1024;

export const largestFrameBytes = 1 << 20;
export const mostFrameItems = 1024;
/** Room for the other fields of a frame. */
export const headerBytes = 64;

/**
 * Cuts items into runs for one frame each, in order. An item that fits nowhere is a run of its own, which the daemon
 * then refuses by name. What an asynchronous source has given does not wait while it pauses.
 *
 * @param signal ends it with its reason, also while the source pauses
 */
export async function* frames(
  items: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  bounds: FrameBounds,
  signal: AbortSignal,
): AsyncGenerator<readonly Uint8Array[], void, undefined> {
  const cutter = new FrameCutter(bounds);
  // Awaiting each item of an array would cost more than all the rest.
  if (Symbol.iterator in items) {
    for (const item of items) {
      const run = cutter.add(item);
      if (run !== undefined) yield run;
    }
  } else yield* framesInTime(items, cutter, signal);
  const rest = cutter.rest();
  if (rest.length > 0) yield rest;
}

async function* framesInTime(
  items: AsyncIterable<Uint8Array>,
  cutter: FrameCutter,
  signal: AbortSignal,
): AsyncGenerator<readonly Uint8Array[], void, undefined> {
  await using source = new SourceReader(items, signal);
  for (;;) {
    const reading = await source.next();
    if (reading.kind === "end") return;
    const run = reading.kind === "item" ? cutter.add(reading.item) : cutter.rest();
    if (run !== undefined) {
      source.waitLong();
      yield run;
    }
    if (!cutter.isEmpty) source.linger();
  }
}

class FrameCutter {
  readonly #bounds: FrameBounds;
  #run: Uint8Array[] = [];
  #itemBytes = 0;
  #encodedBytes = headerBytes;

  constructor({ maxItems, maxBytes }: FrameBounds) {
    this.#bounds = { maxItems: Math.min(maxItems, mostFrameItems), maxBytes };
  }

  get isEmpty(): boolean {
    return this.#run.length === 0;
  }

  /** Adds an item; the run before it when that has no room for it. */
  add(item: Uint8Array): readonly Uint8Array[] | undefined {
    const encoded = encodedSize(item.length);
    const fits =
      this.#run.length < this.#bounds.maxItems &&
      this.#itemBytes + item.length <= this.#bounds.maxBytes &&
      this.#encodedBytes + encoded <= largestFrameBytes;
    const full = fits || this.#run.length === 0 ? undefined : this.rest();
    this.#run.push(item);
    this.#itemBytes += item.length;
    this.#encodedBytes += encoded;
    return full;
  }

  /** What has been added and not returned yet. */
  rest(): readonly Uint8Array[] {
    const run = this.#run;
    this.#run = [];
    this.#itemBytes = 0;
    this.#encodedBytes = headerBytes;
    return run;
  }
}

/** What an item of so many bytes takes in a frame: tag, length as a varint, bytes. */
export function encodedSize(length: number): number {
  return 1 + varintBytes(length) + length;
}
