import { type Clock } from "../core/clock.js";
import { type ProcessUid } from "../core/ids.js";
import { type Keeper, type KeeperEvents, type UserIds } from "../processes/keeper.js";
import { type Runtime } from "../processes/target.js";
import { KeeperRouter } from "./keeper-router.js";
import { recipeOf, type RuntimeProgram } from "./recipes.js";
import { TemplateForkServers } from "./template-fork-servers.js";
import { type TemplateRecord, type TemplateStore } from "./template-record.js";
import { TemplateTable } from "./template-table.js";
import { Templates } from "./templates.js";
import { type ZygoteFiles, type ZygoteLog, ZygoteSupervisor } from "./zygote-supervisor.js";

export interface TemplateSystemParts {
  /** What an earlier daemon kept. */
  readonly records: readonly TemplateRecord[];
  readonly store: TemplateStore;
  readonly keeper: Keeper;
  readonly files: ZygoteFiles;
  readonly runtimes: Readonly<Record<Runtime, RuntimeProgram>>;
  readonly user: (name: string) => Promise<UserIds | undefined>;
  readonly clock: Clock;
  readonly log: ZygoteLog;
  readonly newUid: () => ProcessUid;
  readonly baseEnvironment: Readonly<Record<string, string>>;
  /** Built-in ones included. */
  readonly maxTemplates?: number;
  /** For the specs of all templates together. */
  readonly maxSpecBytes?: number;
}

/** The parts that templates are made of, joined. */
export class TemplateSystem implements AsyncDisposable {
  readonly templates: Templates;
  readonly forkServers: TemplateForkServers;
  readonly zygotes: ZygoteSupervisor;
  readonly table: TemplateTable;

  constructor(parts: TemplateSystemParts) {
    const { store, runtimes, clock, newUid } = parts;
    const table = new TemplateTable(parts.records);
    this.table = table;
    this.zygotes = new ZygoteSupervisor({
      table,
      store,
      keeper: parts.keeper,
      files: parts.files,
      clock,
      log: parts.log,
      newUid,
      baseEnvironment: parts.baseEnvironment,
      recipe: ({ spec }) => recipeOf(spec, table, runtimes),
      user: parts.user,
    });
    this.templates = new Templates({ ...parts, table, zygotes: this.zygotes });
    this.forkServers = new TemplateForkServers({
      table,
      work: this.zygotes.work,
      runtimes,
      tryAgain: (name) => {
        this.zygotes.changes.reload(name);
      },
    });
  }

  /** The keeper's events, of which those of processes go on to `processes`. */
  router(processes: KeeperEvents): KeeperEvents {
    return new KeeperRouter(processes, this.zygotes);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.zygotes[Symbol.asyncDispose]();
  }
}
