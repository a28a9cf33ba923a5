import { DomainError } from "../core/errors.js";

/** Of specs that wait for their turn. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024;

/** Makes changes one at a time, in the order in which they come: each is over, kept or failed, when the next begins. */
export class ChangeLine {
  #last: Promise<unknown> = Promise.resolve();
  #waitingBytes = 0;

  /** `bytes`: what the change takes up while it waits. DomainError `host-exhausted`, and those of the change. */
  async run<T>(bytes: number, change: () => Promise<T>): Promise<T> {
    if (this.#waitingBytes + bytes > MAX_WAITING_BYTES) {
      throw new DomainError(
        "host-exhausted",
        `The specs of templates that wait to be kept take up ${this.#waitingBytes} bytes, at most ${MAX_WAITING_BYTES} can be`,
        { facts: { resource: "specs", errno: "" }, retryAfterMs: 1000 },
      );
    }
    this.#waitingBytes += bytes;
    const changed = this.#last.then(change);
    this.#last = changed.catch(() => undefined);
    try {
      return await changed;
    } finally {
      this.#waitingBytes -= bytes;
    }
  }
}
