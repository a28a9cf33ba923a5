import { type Clock } from "../core/clock.js";
import { Deadlines } from "../core/deadlines.js";
import { type ProcessUid } from "../core/ids.js";
import { type Recipe, type Source } from "../processes/fork-servers.js";
import {
  type BirthOrder,
  give,
  isKeeperAway,
  type Keeper,
  type UserIds,
} from "../processes/keeper.js";
import { type ForkWork } from "./fork-work.js";
import { inGeneration, type TemplateRecord, type TemplateStore } from "./template-record.js";
import { phaseOf } from "./template-state.js";
import { type TemplateTable } from "./template-table.js";
import { forkedZygote, freshZygote } from "./zygote-order.js";
import { failureOf, type TemplateFailure } from "./zygote-report.js";

export interface ZygoteStarterParts {
  readonly table: TemplateTable;
  readonly store: TemplateStore;
  readonly keeper: Keeper;
  readonly clock: Clock;
  readonly baseEnvironment: Readonly<Record<string, string>>;
  readonly recipe: (record: TemplateRecord) => Recipe;
  readonly user: (name: string) => Promise<UserIds | undefined>;
  readonly work: ForkWork;
  /** It cannot be started; `passes`: for now. */
  readonly failed: (
    template: string,
    uid: ProcessUid,
    failure: TemplateFailure,
    passes: boolean,
  ) => void;
  /** It was started, and is not ready in time. */
  readonly tooSlow: (uid: ProcessUid, failure: TemplateFailure) => void;
}

/** Has zygotes made: fresh, or forked from a parent's. One is kept before it is ordered. */
export class ZygoteStarter {
  readonly #parts: ZygoteStarterParts;
  readonly #deadlines: Deadlines<ProcessUid>;
  /** The keeper has not heard of them yet. */
  readonly #unordered = new Set<ProcessUid>();

  constructor(parts: ZygoteStarterParts) {
    this.#parts = parts;
    this.#deadlines = new Deadlines(parts.clock);
  }

  /** Keeps it, and has it made; where that cannot be, it has failed. */
  async start(name: string, uid: ProcessUid): Promise<void> {
    const { table, keeper, baseEnvironment } = this.#parts;
    const template = table.byName(name);
    const zygote = template?.state.loading;
    if (template === undefined || zygote?.uid !== uid) return;
    const zygotes = [...template.record.zygotes, zygote];
    const { record: kept } = table.put({ ...template, record: { ...template.record, zygotes } });
    this.#unordered.add(uid);
    try {
      await this.#parts.store.save(kept);
    } catch (error) {
      const message = `Its record cannot be kept: ${messageOf(error)}`;
      this.#parts.failed(name, uid, failureOf(message), true);
      return;
    }
    if (!this.#unordered.has(uid)) return;
    const record = inGeneration(kept, zygote.generation);
    try {
      const recipe = this.#parts.recipe(record);
      this.#parts.work.madeFrom(uid, recipe);
      if (record.spec.parent !== null) {
        this.#forkFromParent(record, uid, recipe, record.spec.parent);
        return;
      }
      const user = recipe.runAs === null ? null : await this.#parts.user(recipe.runAs);
      if (user === undefined)
        throw new Error(`There is no user ${recipe.runAs ?? ""} on this host`);
      if (!this.#unordered.has(uid)) return;
      this.#order(record, uid, freshZygote(uid, record, recipe, baseEnvironment, user), keeper);
    } catch (error) {
      // Its return is what starts a zygote again.
      if (isKeeperAway(error)) return;
      this.#parts.failed(name, uid, failureOf(messageOf(error)), false);
    }
  }

  #forkFromParent(record: TemplateRecord, uid: ProcessUid, recipe: Recipe, parent: string): void {
    const { table, keeper, baseEnvironment } = this.#parts;
    const { name } = record;
    const state = table.byName(parent)?.state;
    const fail = (failure: TemplateFailure): void => {
      this.#parts.failed(name, uid, failure, false);
    };
    if (state === undefined) fail(failureOf(`Its parent ${parent} is gone`));
    else if (phaseOf(state) === "failed") {
      fail(failureOf(`Its parent ${parent} failed: ${state.failure?.failure.message ?? ""}`));
    } else {
      this.#parts.work.submit({
        uid,
        template: parent,
        started: false,
        start: (source: Source) => {
          if (source.kind !== "fork") throw new Error("it cannot be forked on this host");
          const order = forkedZygote(uid, record, recipe, baseEnvironment, source.server);
          this.#order(record, uid, order, keeper);
        },
        fail: (error) => {
          if (isKeeperAway(error)) return;
          fail(failureOf(`Its parent ${parent} failed: ${error.message}`));
        },
      });
    }
  }

  #order({ spec }: TemplateRecord, uid: ProcessUid, order: BirthOrder, keeper: Keeper): void {
    give(keeper, order);
    this.#unordered.delete(uid);
    const { preloadTimeoutMs: timeoutMs } = spec;
    const { clock, tooSlow } = this.#parts;
    this.#deadlines.arm(uid, clock.now() + timeoutMs, () => {
      tooSlow(uid, failureOf(`Preloads and init were not done within ${timeoutMs} ms`));
    });
  }

  /** Its order came to nothing, and is to be given again. */
  noteWaits(uid: ProcessUid): void {
    this.disarm(uid);
    this.#unordered.add(uid);
  }

  /** It is not wanted any more: true when it has not been ordered yet, and never will be. */
  withdraw(uid: ProcessUid): boolean {
    this.disarm(uid);
    this.#parts.work.drop(uid);
    return this.#unordered.delete(uid);
  }

  disarmAll(): void {
    this.#deadlines[Symbol.dispose]();
  }

  /** It is ready, or over. */
  disarm(uid: ProcessUid): void {
    this.#deadlines.disarm(uid);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
