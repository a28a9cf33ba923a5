import { type ProcessUid } from "../core/ids.js";
import { type Keeper } from "./keeper.js";
import { type KeeperRetries } from "./keeper-retries.js";
import { type Removal } from "./removal.js";

/** Lets the keeper forget the ends of workers: of each only when its record is kept. */
export class EndAcknowledgements {
  readonly #keeper: Keeper;
  readonly #removal: Removal;
  readonly #retries: KeeperRetries;

  constructor(keeper: Keeper, removal: Removal, retries: KeeperRetries) {
    this.#keeper = keeper;
    this.#removal = removal;
    this.#retries = retries;
  }

  /** Where `kept` is rejected the daemon stops: the next one learns of the end from the keeper again. */
  whenKept(uid: ProcessUid, kept: Promise<void>): void {
    kept.then(
      () => {
        this.#acknowledge(uid);
      },
      () => undefined,
    );
  }

  #acknowledge(uid: ProcessUid): void {
    this.#keeper.acknowledgeExit(uid).then(
      () => {
        this.#removal.noteAcknowledged(uid);
      },
      (error: unknown) => {
        this.#retries.again("end could not be acknowledged", uid, error, () => {
          this.#acknowledge(uid);
        });
      },
    );
  }
}
