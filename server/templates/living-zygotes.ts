import { type ProcessUid } from "../core/ids.js";
import { isKeeperAway, type Keeper } from "../processes/keeper.js";
import { type Worker } from "../processes/process-state.js";
import { SIGKILL } from "../processes/signals.js";
import { type TemplateFailure } from "./zygote-report.js";

export interface LivingZygotesLog {
  warn(message: string, fields: Readonly<Record<string, unknown>>): void;
}

/** The processes that zygotes are, from their start until nothing is left of them. */
export class LivingZygotes {
  readonly #keeper: Keeper;
  readonly #log: LivingZygotesLog;
  readonly #workers = new Map<ProcessUid, Worker>();
  readonly #verdicts = new Map<ProcessUid, TemplateFailure>();

  constructor(keeper: Keeper, log: LivingZygotesLog) {
    this.#keeper = keeper;
    this.#log = log;
  }

  noteStarted(uid: ProcessUid, worker: Worker): void {
    this.#workers.set(uid, worker);
  }

  /** Undefined until it has started. */
  workerOf(uid: ProcessUid): Worker | undefined {
    return this.#workers.get(uid);
  }

  /** It has nothing to tidy up, and code that it loaded may be deaf to anything less. */
  kill(uid: ProcessUid): void {
    this.#keeper.signal(uid, SIGKILL, "worker").catch((error: unknown) => {
      // When the keeper is back it is looked at again.
      if (!isKeeperAway(error)) this.#log.warn("zygote could not be ended", { uid, error });
    });
  }

  /** It is ended for this, however its end may look. */
  condemn(uid: ProcessUid, why: TemplateFailure): void {
    this.#verdicts.set(uid, why);
    this.kill(uid);
  }

  /** Why one that is about to end was ended. */
  verdictOf(uid: ProcessUid): TemplateFailure | undefined {
    return this.#verdicts.get(uid);
  }

  forget(uid: ProcessUid): void {
    this.#verdicts.delete(uid);
    this.#workers.delete(uid);
  }
}
