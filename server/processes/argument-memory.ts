import { DomainError } from "../core/errors.js";

const MAX_BYTES = 256 * 1024 * 1024;

/** Bounds what the arguments of functions take up that wait for CPUs, for the disk or for their fork server. */
export class ArgumentMemory {
  #bytes = 0;

  /** Until it is disposed. DomainError `host-exhausted`. */
  hold(bytes: number): Disposable {
    if (this.#bytes + bytes > MAX_BYTES) {
      throw new DomainError(
        "host-exhausted",
        `The arguments of functions that are being started take up ${this.#bytes} bytes, at most ${MAX_BYTES} can be`,
        { facts: { resource: "arguments", errno: "" }, retryAfterMs: 1000 },
      );
    }
    this.#bytes += bytes;
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (held) this.#bytes -= bytes;
        held = false;
      },
    };
  }
}
