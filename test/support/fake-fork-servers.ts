import { DomainError } from "../../server/core/errors.js";
import type { ProcessUid } from "../../server/core/ids.js";
import type {
  BirthJob,
  ForkServers,
  Recipe,
  Source,
  WarmWorker,
} from "../../server/processes/fork-servers.js";
import type { SpawnFailure } from "../../server/processes/keeper.js";

export const RECIPE: Recipe = {
  runtime: "python",
  interpreter: "python3",
  program: ["/zygote/main.py"],
  env: { FROM: "template" },
  workingDir: null,
  runAs: null,
  modulePath: [],
  preload: [],
  init: null,
  forkLibrary: "/lib/fork.so",
};

/** One template, of whose jobs the test says when they start and what they come from. */
export class FakeForkServers implements ForkServers {
  readonly template = "python";
  recipeOfAll: Recipe = RECIPE;
  /** Workers that were made in advance. */
  readonly warm: ProcessUid[] = [];
  /** Or spawned: then they are taken for plain workers alone. */
  forksWarm = true;
  readonly jobs: BirthJob[] = [];
  readonly born: ProcessUid[] = [];
  readonly gone: ProcessUid[] = [];
  /** Whether a job is tried again. */
  triesAgain: (failure: SpawnFailure) => boolean = () => false;

  check(template: string): void {
    if (template === this.template) return;
    throw new DomainError("template-not-found", `There is no template ${template}`);
  }

  recipe(): { readonly recipe: Recipe; readonly generation: number } {
    return { recipe: this.recipeOfAll, generation: 1 };
  }

  takeWarm(_template: string, plain: boolean): WarmWorker | undefined {
    const uid = this.forksWarm || plain ? this.warm.shift() : undefined;
    return uid === undefined
      ? undefined
      : { uid, generation: 1, recipe: this.recipeOfAll, forked: this.forksWarm };
  }

  submit(job: BirthJob): void {
    this.jobs.push(job);
  }

  /** All that have not been started. */
  start(source: Source): void {
    for (const job of this.jobs.splice(0)) if (!job.started) job.start(source);
  }

  noteBorn(uid: ProcessUid): void {
    this.born.push(uid);
  }

  withdraws(): boolean {
    return false;
  }

  noteGone(uid: ProcessUid): void {
    this.gone.push(uid);
  }

  retries(_uid: ProcessUid, failure: SpawnFailure): boolean {
    return this.triesAgain(failure);
  }
}
