import { type Clock } from "../core/clock.js";
import { Deadlines } from "../core/deadlines.js";
import { type ProcessUid } from "../core/ids.js";
import { type Recipe } from "../processes/fork-servers.js";
import { type Keeper, type UserIds } from "../processes/keeper.js";
import { current, type TemplateTable } from "./template-table.js";
import { type TemplateRecord } from "./template-record.js";
import { prestartedWorker } from "./zygote-order.js";

export interface PrestartedWorkersParts {
  readonly table: TemplateTable;
  readonly keeper: Keeper;
  readonly clock: Clock;
  readonly baseEnvironment: Readonly<Record<string, string>>;
  readonly recipe: (record: TemplateRecord) => Recipe;
  readonly user: (name: string) => Promise<UserIds | undefined>;
  /** Whether it is wanted still. */
  readonly isWanted: (uid: ProcessUid) => boolean;
  /** It cannot be ordered. */
  readonly gone: (uid: ProcessUid) => void;
  readonly kill: (uid: ProcessUid) => void;
}

/** Workers that are kept warm of a template that cannot be forked: each is spawned, and loads everything itself. */
export class PrestartedWorkers implements Disposable {
  readonly #parts: PrestartedWorkersParts;
  readonly #deadlines: Deadlines<ProcessUid>;

  constructor(parts: PrestartedWorkersParts) {
    this.#parts = parts;
    this.#deadlines = new Deadlines(parts.clock);
  }

  async start(template: string, uid: ProcessUid): Promise<void> {
    try {
      await this.#order(template, uid);
    } catch (error) {
      this.#parts.gone(uid);
      throw error;
    }
  }

  /** It waits, or is gone. */
  settle(uid: ProcessUid): void {
    this.#deadlines.disarm(uid);
  }

  [Symbol.dispose](): void {
    this.#deadlines[Symbol.dispose]();
  }

  async #order(template: string, uid: ProcessUid): Promise<void> {
    const { table, keeper, clock, baseEnvironment, isWanted, kill } = this.#parts;
    const record = current(table.existing(template));
    const recipe = this.#parts.recipe(record);
    const user = await this.#userOf(recipe);
    if (!isWanted(uid)) return;
    keeper.spawnHeld(prestartedWorker(uid, record, recipe, baseEnvironment, user));
    this.#deadlines.arm(uid, clock.now() + record.spec.preloadTimeoutMs, () => {
      kill(uid);
    });
  }

  async #userOf({ runAs }: Recipe): Promise<UserIds | null> {
    if (runAs === null) return null;
    const user = await this.#parts.user(runAs);
    if (user === undefined) throw new Error(`There is no user ${runAs} on this host`);
    return user;
  }
}
