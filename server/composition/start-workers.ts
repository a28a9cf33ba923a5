import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { type Config } from "../config/config.js";
import { addressEnvironment } from "../config/worker-address.js";
import { type CleanupStack } from "../core/cleanup-stack.js";
import { parseProcessUid, type ProcessUid } from "../core/ids.js";
import { type CpuSpace, cpuSpace } from "../cpus/cpu-space.js";
import { readTopology, sysDevices } from "../kernel/cpu-topology.js";
import { KeeperClient } from "../kernel/keeper/keeper-client.js";
import { KeeperLink } from "../kernel/keeper/keeper-link.js";
import { OutputDirectory } from "../kernel/output-files.js";
import { ResultFiles } from "../kernel/result-files.js";
import { runtimePrograms } from "../kernel/runtime-programs.js";
import { systemClock } from "../kernel/system-clock.js";
import { usableCpus } from "../kernel/usable-cpus.js";
import { readAffinities } from "../kernel/worker-affinity.js";
import { PasswdFile } from "../kernel/user-database.js";
import { type Logger } from "../observability/logger.js";
import { baseEnvironment } from "../processes/base-environment.js";
import { sweepOutput } from "../processes/output-sweep.js";
import { ProcessSystem } from "../processes/process-system.js";
import { TemplateSystem } from "../templates/template-system.js";
import { keeperProgram } from "./keeper-choice.js";
import { type State } from "./open-state.js";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Those who run workers, joined and with a keeper. */
export interface Workers {
  readonly keeper: KeeperClient;
  readonly output: OutputDirectory;
  readonly results: ResultFiles;
  readonly templates: TemplateSystem;
  readonly system: ProcessSystem;
}

export async function startWorkers(
  config: Config,
  log: Logger,
  env: Environment,
  state: State,
  cleanup: CleanupStack,
): Promise<Workers> {
  const keeper = new KeeperClient();
  const users = new PasswdFile();
  const environment = { ...baseEnvironment(env), ...addressEnvironment(config.listen) };
  const runtimes = runtimePrograms(config.interpreters);
  const directory = (): string => keeper.welcome?.directory ?? join(config.stateDir, "workers");
  const output = new OutputDirectory(directory);
  const results = new ResultFiles(directory);
  const templates = new TemplateSystem({
    records: state.templateRecords,
    store: state.templates,
    keeper,
    files: results,
    runtimes,
    user: (name) => users.find(name),
    clock: systemClock,
    log,
    newUid,
    baseEnvironment: environment,
  });
  const system = cleanup.use(
    new ProcessSystem({
      recovered: state.recovered,
      store: state.processes,
      keeper,
      users,
      clock: systemClock,
      log,
      cpus: workerCpus(config),
      affinities: { read: (workers) => readAffinities(workers) },
      retention: config.retention,
      newUid,
      baseEnvironment: environment,
      forkServers: templates.forkServers,
      forkLibrary: runtimes.python.forkLibrary,
    }),
  );
  const link = await KeeperLink.start({
    program: keeperProgram(config),
    client: keeper,
    events: templates.router(system.supervisor),
    clock: systemClock,
    log,
  });
  cleanup.defer(async () => {
    // Zygotes are there for workers: with none, they would keep the keeper for nothing.
    if (keeper.isConnected && !system.processes.someAlive) await templates.zygotes.endAll();
    await templates[Symbol.asyncDispose]();
    // While the keeper can still be asked: what expires now is removed with its output.
    await system[Symbol.asyncDispose]();
    // A keeper without workers has nothing to keep. One that we would not start again is not ours to end.
    if (keeper.isConnected && config.keeper.socketPath === null)
      await keeper.shutDown().catch(() => false);
    await link[Symbol.asyncDispose]();
  });
  if (!state.isDamaged) {
    await sweepOutput({
      found: await output.list(),
      isKnown: (uid) =>
        system.table.byUid(uid) !== undefined || templates.zygotes.owns({ uid, held: false }),
      keeper,
      log,
    });
  }
  return { keeper, output, results, templates, system };
}

function workerCpus({ cpus, reservedCpus, sharedCpus }: Config): CpuSpace {
  const allowed = usableCpus();
  const choices = { cpus, reserved: reservedCpus, minShared: sharedCpus };
  return cpuSpace(readTopology(sysDevices, allowed), allowed, choices);
}

function newUid(): ProcessUid {
  const uid = parseProcessUid(randomUUID());
  if (uid === undefined) throw new Error("A UUID that is none");
  return uid;
}
