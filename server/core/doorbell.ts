/**
 * Tells one listener that something has changed. It remembers a ring that nobody waited for, but
 * not how many there were: the listener looks for itself.
 */
export class Doorbell {
  #rung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Resolves when it has rung since the last time. One listener at a time; throws the signal's reason. */
  async wait(signal?: AbortSignal): Promise<void> {
    if (this.#wake !== undefined) throw new Error("A doorbell has one listener at a time");
    signal?.throwIfAborted();
    if (!this.#rung) await this.#ringing(signal);
    this.#rung = false;
  }

  async #ringing(signal: AbortSignal | undefined): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const stop = (): void => {
        this.#wake = undefined;
        signal?.removeEventListener("abort", onAbort);
      };
      const onAbort = (): void => {
        stop();
        reject(signal?.reason as Error);
      };
      this.#wake = () => {
        stop();
        resolve();
      };
      signal?.addEventListener("abort", onAbort);
    });
  }
}
