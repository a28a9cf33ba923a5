/** A frame does not wait longer for more of a source that pauses. */
const lingerMs = 5;

/** What a source has: an item, its end, or nothing for now. */
export type Reading<T> =
  | { readonly kind: "item"; readonly item: T }
  | { readonly kind: "end" }
  | { readonly kind: "pause" };

/** Reads an asynchronous source item by item, and tells when it pauses. */
export class SourceReader<T> implements AsyncDisposable {
  readonly #source: AsyncIterator<T>;
  readonly #signal: AbortSignal;
  /** The read under way, and what it gave. */
  #reading: Promise<void> | undefined;
  #read: (() => Reading<T>) | undefined;
  #lingering: NodeJS.Timeout | undefined;
  #mayPause = false;
  #wake: (() => void) | undefined;

  /** @param signal ends all reads with its reason, also of a source that never gives anything */
  constructor(source: AsyncIterable<T>, signal: AbortSignal) {
    this.#source = source[Symbol.asyncIterator]();
    this.#signal = signal;
    signal.addEventListener("abort", this.#ring);
  }

  /** From the next item on, says when the source has given nothing for a while since now. */
  linger(): void {
    this.#lingering ??= setTimeout(() => {
      this.#mayPause = true;
      this.#ring();
    }, lingerMs);
  }

  /** Waits for whatever comes, until `linger` is called again. */
  waitLong(): void {
    clearTimeout(this.#lingering);
    this.#lingering = undefined;
    this.#mayPause = false;
  }

  /** Throws what the source throws, and the signal's reason. */
  async next(): Promise<Reading<T>> {
    this.#reading ??= this.#ask();
    while (this.#read === undefined) {
      this.#signal.throwIfAborted();
      if (this.#mayPause) return { kind: "pause" };
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const read = this.#read;
    this.#read = undefined;
    this.#reading = undefined;
    return read();
  }

  /** Tells the source that no more is wanted. One that owes an item may take its time to hear it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.waitLong();
    this.#signal.removeEventListener("abort", this.#ring);
    const done = this.#source.return?.();
    if (this.#reading === undefined) await done;
    else done?.catch(() => undefined);
  }

  async #ask(): Promise<void> {
    try {
      const next = await this.#source.next();
      this.#read = () =>
        next.done === true ? { kind: "end" } : { kind: "item", item: next.value };
    } catch (error) {
      this.#read = () => {
        throw error;
      };
    }
    this.#ring();
  }

  readonly #ring = (): void => {
    this.#wake?.();
  };
}
