import { constants } from "node:os";
import process from "node:process";

const interrupting = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Lets a command that waits end in order when somebody interrupts it: the first SIGINT, SIGTERM or SIGHUP aborts
 * `signal`, the second ends this program at once.
 */
export class Interruption implements Disposable {
  readonly #controller = new AbortController();
  #code: number | undefined;

  constructor() {
    for (const name of interrupting) process.on(name, this.#interrupt);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The code to exit with, 128+N; undefined when nobody has interrupted. */
  get exitCode(): number | undefined {
    return this.#code;
  }

  [Symbol.dispose](): void {
    for (const name of interrupting) process.off(name, this.#interrupt);
  }

  readonly #interrupt = (name: NodeJS.Signals): void => {
    const code = 128 + constants.signals[name];
    if (this.#code !== undefined) process.exit(code);
    this.#code = code;
    this.#controller.abort();
  };
}
