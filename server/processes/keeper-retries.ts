import { type Clock } from "../core/clock.js";
import { type ProcessUid } from "../core/ids.js";
import { isKeeperAway } from "./keeper.js";

const RETRY_MS = 1000;

export interface RetryLog {
  warn(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** What the keeper was asked for and could not do is asked for again. */
export class KeeperRetries implements Disposable {
  readonly #clock: Clock;
  readonly #log: RetryLog;
  readonly #closed = new AbortController();

  constructor(clock: Clock, log: RetryLog) {
    this.#clock = clock;
    this.#log = log;
  }

  /** A connection that is gone needs no retry: the next one begins with a look at all workers. */
  again(message: string, uid: ProcessUid, error: unknown, action: () => void): void {
    if (isKeeperAway(error)) return;
    this.#log.warn(message, { uid, error });
    this.#clock.sleep(RETRY_MS, this.#closed.signal).then(action, () => undefined);
  }

  [Symbol.dispose](): void {
    this.#closed.abort(new Error("The daemon stops"));
  }
}
