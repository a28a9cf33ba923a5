import { invalidField } from "../core/errors.js";
import { type ProcessUid } from "../core/ids.js";
import {
  type BirthJob,
  type ForkServers,
  type Recipe,
  type WarmWorker,
} from "../processes/fork-servers.js";
import { type SpawnFailure } from "../processes/keeper.js";
import { type Runtime } from "../processes/target.js";
import { type ForkWork } from "./fork-work.js";
import { recipeOf, type RuntimeProgram } from "./recipes.js";
import { phaseOf } from "./template-state.js";
import { current, type TemplateTable } from "./template-table.js";
import { preloadFailed } from "./zygote-report.js";

export interface TemplateForkServersParts {
  readonly table: TemplateTable;
  readonly work: ForkWork;
  readonly runtimes: Readonly<Record<Runtime, RuntimeProgram>>;
  /** Has a zygote of this template made anew. */
  readonly tryAgain: (template: string) => void;
}

/** What processes take from templates. */
export class TemplateForkServers implements ForkServers {
  readonly #parts: TemplateForkServersParts;
  readonly #work: ForkWork;

  constructor(parts: TemplateForkServersParts) {
    this.#parts = parts;
    this.#work = parts.work;
  }

  check(name: string, runtime: Runtime): void {
    const { record, state } = this.#parts.table.existing(name);
    if (record.spec.runtime !== runtime) {
      throw invalidField(
        "spec.template",
        name,
        `The template ${name} is of ${record.spec.runtime}, and the target of ${runtime}`,
      );
    }
    if (phaseOf(state) !== "failed" || state.failure === null) return;
    if (!record.builtIn) throw preloadFailed(name, state.failure.failure);
    // Nobody can give it another spec: what was wrong may have been the host.
    this.#parts.tryAgain(name);
  }

  recipe(name: string): { readonly recipe: Recipe; readonly generation: number } {
    const { table, runtimes } = this.#parts;
    const { spec, generation } = current(table.existing(name));
    return { recipe: recipeOf(spec, table, runtimes), generation };
  }

  takeWarm(name: string, plain: boolean): WarmWorker | undefined {
    return this.#work.takeWarm(name, plain);
  }

  submit(job: BirthJob): void {
    this.#work.submit(job);
  }

  noteBorn(uid: ProcessUid): void {
    this.#work.noteBorn(uid);
  }

  noteGone(uid: ProcessUid): void {
    this.#work.drop(uid);
  }

  withdraws(uid: ProcessUid): boolean {
    return this.#work.withdraws(uid);
  }

  retries(uid: ProcessUid, failure: SpawnFailure): boolean {
    return this.#work.retries(uid, failure);
  }
}
