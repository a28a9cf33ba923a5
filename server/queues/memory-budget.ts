import { DomainError } from "../core/errors.js";

/** What an item costs beside its bytes: its place in a list and the objects that hold it. */
const ITEM_OVERHEAD_BYTES = 320;

/**
 * The memory that all queues share, in which waiting puts count as if they were stored. It keeps
 * many queues, each within its bounds, from being too much together.
 */
export class MemoryBudget {
  readonly limitBytes: number;
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /**
   * @throws DomainError host-exhausted, and then nothing is reserved
   */
  reserve(items: number, bytes: number): void {
    const cost = costOf(items, bytes);
    if (this.#usedBytes + cost > this.limitBytes) {
      throw new DomainError(
        "host-exhausted",
        `All queues together may use ${this.limitBytes} bytes of memory, and have no room for ${cost} more`,
        { facts: { resource: "queue-memory", limit: String(this.limitBytes) } },
      );
    }
    this.#usedBytes += cost;
  }

  release(items: number, bytes: number): void {
    this.#usedBytes -= costOf(items, bytes);
  }
}

function costOf(items: number, bytes: number): number {
  return bytes + items * ITEM_OVERHEAD_BYTES;
}
