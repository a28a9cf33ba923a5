import { encodedSize, headerBytes, largestFrameBytes, mostFrameItems } from "./queue-frames.js";
import type { Put, PutAnswer } from "./unaccepted-items.js";

/** Single puts that will travel in one frame. */
export class PutGatherer {
  #items: Uint8Array[] = [];
  #puts: Put[] = [];
  #encodedBytes = headerBytes;

  get isEmpty(): boolean {
    return this.#puts.length === 0;
  }

  /** Whether an item of so many bytes fits in the same frame. */
  hasRoom(bytes: number): boolean {
    return (
      this.isEmpty ||
      (this.#puts.length < mostFrameItems &&
        this.#encodedBytes + encodedSize(bytes) <= largestFrameBytes)
    );
  }

  add(item: Uint8Array, answer: PutAnswer): void {
    this.#items.push(item);
    this.#puts.push({ count: 1, answer });
    this.#encodedBytes += encodedSize(item.length);
  }

  /** All of them, and none is left. */
  take(): { readonly items: readonly Uint8Array[]; readonly puts: readonly Put[] } {
    const taken = { items: this.#items, puts: this.#puts };
    this.#items = [];
    this.#puts = [];
    this.#encodedBytes = headerBytes;
    return taken;
  }
}
