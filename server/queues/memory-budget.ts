import { DomainError } from "../core/errors.js";

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
  reserve(bytes: number): void {
    if (this.#usedBytes + bytes > this.limitBytes) {
      throw new DomainError(
        "host-exhausted",
        `All queues together may use ${this.limitBytes} bytes of memory, and have no room for ${bytes} more`,
        { facts: { resource: "queue-memory", limit: String(this.limitBytes) } },
      );
    }
    this.#usedBytes += bytes;
  }

  release(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}
