import { randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";
import { mkdir, readFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { type Config, type ListenAddress } from "./config/config.js";
import { CleanupStack } from "./core/cleanup-stack.js";
import { DomainError } from "./core/errors.js";
import { parseProcessUid, type ProcessUid } from "./core/ids.js";
import { formatCpuSet } from "./cpus/cpu-set.js";
import { type CpuSpace, cpuSpace } from "./cpus/cpu-space.js";
import { AdminService } from "./grpc/admin-service.js";
import { GrpcServer, type ListenSpec } from "./grpc/grpc-server.js";
import { Health } from "./grpc/health.js";
import { MAX_PAGE_SIZE } from "./grpc/page-token.js";
import { type OutputPositions, ProcessService } from "./grpc/process-service.js";
import { CpuService } from "./grpc/cpu-service.js";
import { QueueService } from "./grpc/queue-service.js";
import { addReflection } from "./grpc/reflection.js";
import { serveAll, SERVICE_NAMES } from "./grpc/services.js";
import { TemplateService, type ZygoteLook } from "./grpc/template-service.js";
import { KeptProcesses } from "./journal/kept-processes.js";
import { KeptTemplates } from "./journal/kept-templates.js";
import { KeyedStore } from "./journal/keyed-store.js";
import { readTopology, sysDevices } from "./kernel/cpu-topology.js";
import { diagnose } from "./kernel/diagnosis.js";
import { lockFile, LockHeldError } from "./kernel/file-lock.js";
import { KeeperClient } from "./kernel/keeper/keeper-client.js";
import { KeeperLink } from "./kernel/keeper/keeper-link.js";
import { type KeeperProgram } from "./kernel/keeper/keeper-program.js";
import { OutputDirectory } from "./kernel/output-files.js";
import { processMemory } from "./kernel/process-memory.js";
import { ResultFiles } from "./kernel/result-files.js";
import { runtimePrograms } from "./kernel/runtime-programs.js";
import { nativeFile } from "./kernel/native-files.js";
import { storeId } from "./kernel/store-id.js";
import { systemClock } from "./kernel/system-clock.js";
import { usableCpus } from "./kernel/usable-cpus.js";
import { readAffinities } from "./kernel/worker-affinity.js";
import { PasswdFile } from "./kernel/user-database.js";
import { buildInfo } from "./observability/build-info.js";
import { DaemonReport } from "./observability/daemon-report.js";
import { type Logger } from "./observability/logger.js";
import { type Difference } from "./processes/affinity-check.js";
import { baseEnvironment } from "./processes/base-environment.js";
import { treeHasEnded } from "./processes/process-state.js";
import { ProcessSystem } from "./processes/process-system.js";
import { MAX_FRAME_BYTES, MAX_ITEM_BYTES } from "./queues/frame-limits.js";
import { MAX_QUEUE_BYTES } from "./queues/queue-spec.js";
import { QueueTable } from "./queues/queue-table.js";
import { phaseOf } from "./templates/template-state.js";
import { TemplateSystem } from "./templates/template-system.js";

type Environment = Readonly<Record<string, string | undefined>>;

/** The longest path that fits in a socket's address (unix(7)). */
const MAX_SOCKET_PATH_BYTES = 107;

/** The composition root: starts the parts in order, and stops them in the opposite one. */
export class Daemon implements AsyncDisposable {
  /** Where it listens, with the ports that the kernel chose. */
  readonly addresses: readonly string[];
  readonly #cleanup: CleanupStack;

  private constructor(addresses: readonly string[], cleanup: CleanupStack) {
    this.addresses = addresses;
    this.#cleanup = cleanup;
  }

  /** Resolves when clients are served. What was started is stopped again when a later part fails. */
  static async start(config: Config, log: Logger, env: Environment): Promise<Daemon> {
    const cleanup = new CleanupStack();
    try {
      return new Daemon(await start(config, log, env, cleanup), cleanup);
    } catch (error) {
      await cleanup[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cleanup[Symbol.asyncDispose]();
  }
}

async function start(
  config: Config,
  log: Logger,
  env: Environment,
  cleanup: CleanupStack,
): Promise<readonly string[]> {
  const startTimeMs = systemClock.wallTime();
  const { stateDir } = config;
  await mkdir(stateDir, { recursive: true, mode: 0o750 });
  const lock = takeLock(stateDir);
  cleanup.defer(() => {
    lock[Symbol.dispose]();
  });
  const store = cleanup.use(await openStore(stateDir, log));
  const kept = new KeptProcesses(store);
  const recovered = kept.recover();
  const keptTemplates = new KeptTemplates(store);
  const templates = keptTemplates.recover();
  for (const { key, error } of [...recovered.unreadable, ...templates.unreadable]) {
    log.error("record unreadable", { key, error });
  }

  const keeper = new KeeperClient();
  const users = new PasswdFile();
  const environment = { ...baseEnvironment(env), ...addressEnvironment(config.listen) };
  const runtimes = runtimePrograms(config.interpreters);
  const output = new OutputDirectory(() => keeper.welcome?.directory ?? join(stateDir, "workers"));
  const results = new ResultFiles(() => keeper.welcome?.directory ?? join(stateDir, "workers"));
  const forkServers = new TemplateSystem({
    records: templates.records,
    store: keptTemplates,
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
      recovered,
      store: kept,
      keeper,
      users,
      clock: systemClock,
      log,
      cpus: workerCpus(config),
      affinities: { read: (workers) => readAffinities(workers) },
      retention: config.retention,
      newUid,
      baseEnvironment: environment,
      forkServers: forkServers.templates,
      forkLibrary: runtimes.python.forkLibrary,
    }),
  );
  const link = await KeeperLink.start({
    program: keeperProgram(config),
    client: keeper,
    events: forkServers.router(system.supervisor),
    clock: systemClock,
    log,
  });
  cleanup.defer(async () => {
    // Zygotes are there for workers: with none, they would keep the keeper for nothing.
    if (keeper.isConnected && !system.processes.someAlive) await forkServers.zygotes.endAll();
    await forkServers[Symbol.asyncDispose]();
    // While the keeper can still be asked: what expires now is removed with its output.
    await system[Symbol.asyncDispose]();
    // A keeper without workers has nothing to keep. One that we would not start again is not ours to end.
    if (keeper.isConnected && config.keeper.socketPath === null)
      await keeper.shutDown().catch(() => false);
    await link[Symbol.asyncDispose]();
  });
  const damages = store.recovered.quarantined.length + recovered.unreadable.length;
  if (damages === 0) {
    const isZygote = (uid: ProcessUid): boolean => forkServers.table.ofZygote(uid) !== undefined;
    await sweepOutput(output, system, isZygote, keeper, log);
  } else log.error("records were damaged: output without a record is kept", { damages });

  let queueRevision = 0n;
  const queues = new QueueTable({
    clock: systemClock,
    newUid: randomUUID,
    nextRevision: () => ++queueRevision,
  });
  const stopping = new AbortController();
  // Every call that waits listens to it.
  setMaxListeners(0, stopping.signal);
  const server = new GrpcServer({ log });
  const report = new DaemonReport({
    version: buildInfo().version,
    storeId: await storeId(stateDir, randomUUID),
    hostName: hostname(),
    startTimeMs,
    limits: {
      frameBytes: MAX_FRAME_BYTES,
      itemBytes: MAX_ITEM_BYTES,
      pageSize: MAX_PAGE_SIZE,
      queueBytes: MAX_QUEUE_BYTES,
      processes: keeper.welcome?.maxWorkers ?? 0,
      requestBytes: server.limits.requestMessageBytes,
      retainedProcesses: config.retention.maxRecords,
      retentionMs: config.retention.maxAgeMs,
    },
    keeper,
    processes: system.processes,
    ledger: system.ledger,
    revision: () => system.table.counters.revision,
    queues: () => queues.totals(),
    connections: () => server.connectionCount,
    isStopping: () => stopping.signal.aborted,
    troubles: () => [
      ...(system.trouble === null ? [] : [`Records cannot be kept: ${text(system.trouble)}`]),
      ...misplaced(system.affinityCheck.differences()),
    ],
    diagnose: () =>
      diagnose({
        stateDir,
        reserveBytes: config.keeper.reserveBytes,
        keeper: keeper.isConnected ? keeper.welcome : null,
        templates: [...forkServers.table.all()]
          .filter(({ record }) => !record.deleted)
          .map(({ record, state }) => ({
            name: record.name,
            state: phaseOf(state),
            why: state.failure?.failure.message ?? state.fallback?.why ?? "",
          })),
      }),
  });
  const health = new Health(SERVICE_NAMES);
  const reading = { table: system.table, keeper, clock: systemClock };
  const positions = outputPositions(output);
  serveAll(server, {
    processes: new ProcessService(
      system.processes,
      output,
      positions,
      results,
      reading,
      stopping.signal,
    ),
    templates: new TemplateService(
      forkServers.templates,
      zygoteLook(forkServers, results),
      stopping.signal,
    ),
    queues: new QueueService(queues),
    admin: new AdminService(report),
    cpus: new CpuService(system),
  });
  health.addTo(server);
  addReflection(server);
  cleanup.defer(() =>
    server.stop({
      graceMs: config.stopGraceMs,
      beforeDrain: () => {
        health.stopping();
        stopping.abort(new DomainError("draining", "The daemon stops", { retryAfterMs: 500 }));
        queues.stop();
      },
    }),
  );
  const addresses: string[] = [];
  for (const address of config.listen) {
    addresses.push(await server.listen(await listenSpec(address, log)));
  }
  health.serving();
  log.info("ready", { pid: process.pid, addresses, processes: system.table.size });
  return addresses;
}

/** How a worker finds this daemon: by its socket, or a port that needs no certificate. */
function addressEnvironment(listen: readonly ListenAddress[]): Readonly<Record<string, string>> {
  const unix = listen.find((address) => address.kind === "unix");
  if (unix !== undefined) return { FORKBUS_ADDRESS: `unix:${unix.path}` };
  const open = listen.find((address) => address.kind === "insecure" && address.port !== 0);
  if (open?.kind !== "insecure") return {};
  return { FORKBUS_ADDRESS: `tcp://${open.host}:${open.port}` };
}

function zygoteLook({ zygotes }: TemplateSystem, files: ResultFiles): ZygoteLook {
  return async ({ state: { serving } }) => {
    const worker = serving === null ? undefined : zygotes.workerOf(serving.uid);
    if (serving === null || worker === undefined) return null;
    const [memory, stdoutTail, stderrTail] = await Promise.all([
      processMemory(worker.pid),
      files.tail(serving.uid, "stdout"),
      files.tail(serving.uid, "stderr"),
    ]);
    return {
      pid: worker.pid,
      readyTimeMs: systemClock.wallTime() - (systemClock.now() - serving.sinceMs),
      rssBytes: memory?.rssBytes ?? 0,
      pssBytes: memory?.pssBytes ?? 0,
      stdoutTail,
      stderrTail,
    };
  };
}

function workerCpus({ cpus, reservedCpus, sharedCpus }: Config): CpuSpace {
  const allowed = usableCpus();
  const choices = { cpus, reserved: reservedCpus, minShared: sharedCpus };
  return cpuSpace(readTopology(sysDevices, allowed), allowed, choices);
}

/** One sentence, however many they are. */
function misplaced([first, ...others]: readonly Difference[]): readonly string[] {
  if (first === undefined) return [];
  const { record, assigned, kernel } = first;
  const more = others.length === 0 ? "" : `, and ${others.length} more are not on theirs`;
  return [
    `Worker ${record.name} runs on CPUs ${formatCpuSet(kernel)}, and its place is ${formatCpuSet(assigned)}${more}`,
  ];
}

function takeLock(stateDir: string): Disposable {
  try {
    return lockFile(join(stateDir, "daemon.lock"));
  } catch (error) {
    if (!(error instanceof LockHeldError)) throw error;
    const holder = error.holderPid === undefined ? "another process" : `process ${error.holderPid}`;
    throw new Error(`Another daemon, ${holder}, uses the state directory ${stateDir}`, {
      cause: error,
    });
  }
}

async function openStore(stateDir: string, log: Logger): Promise<KeyedStore> {
  const directory = join(stateDir, "journal");
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return KeyedStore.open({ directory, log });
}

function newUid(): ProcessUid {
  const uid = parseProcessUid(randomUUID());
  if (uid === undefined) throw new Error("A UUID that is none");
  return uid;
}

function keeperProgram({ stateDir, keeper }: Config): KeeperProgram {
  const program = {
    path: keeper.path ?? nativeFile("forkbus-keeper"),
    version: keeper.path === null ? buildInfo().version : null,
  };
  if (keeper.socketPath !== null) {
    return { ...program, socketPath: fittingSocket(keeper.socketPath), launch: null };
  }
  return {
    ...program,
    socketPath: fittingSocket(join(stateDir, "keeper.sock")),
    launch: {
      directory: join(stateDir, "workers"),
      logPath: join(stateDir, "keeper.log"),
      cgroup: keeper.cgroup,
      policyPath: keeper.policyPath,
      startDeadlineMs: keeper.startDeadlineMs,
      reserveBytes: keeper.reserveBytes,
    },
  };
}

function fittingSocket(path: string): string {
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return path;
  throw new Error(
    `The keeper's socket has too long a path: ${path} has more than ${MAX_SOCKET_PATH_BYTES} bytes`,
  );
}

/** Output whose record was removed when the daemon died before it could remove the files. */
async function sweepOutput(
  output: OutputDirectory,
  system: ProcessSystem,
  isZygote: (uid: ProcessUid) => boolean,
  keeper: KeeperClient,
  log: Logger,
): Promise<void> {
  for (const uid of await output.list()) {
    if (system.table.byUid(uid) !== undefined || isZygote(uid)) continue;
    await keeper.removeOutput(uid).catch((error: unknown) => {
      log.warn("old output cannot be removed", { uid, error });
    });
  }
}

/** Of what has ended the record knows; of what lives, or was lost, the files do. */
function outputPositions(output: OutputDirectory): OutputPositions {
  return async ({ uid, state }) => {
    if (state.kind === "exited" && treeHasEnded(state)) return state.exit.output;
    const [stdout, stderr] = await Promise.all([
      output.extent(uid, "stdout"),
      output.extent(uid, "stderr"),
    ]);
    return { stdout, stderr };
  };
}

async function listenSpec(address: ListenAddress, log: Logger): Promise<ListenSpec> {
  if (address.kind === "insecure") {
    log.warn("without TLS every user of this host can start programs as the daemon's user", {
      host: address.host,
      port: address.port,
    });
  }
  if (address.kind !== "tls") return address;
  const { cert, key, clientCa } = address.files;
  if (clientCa === null) {
    log.warn("clients need no certificate: whoever reaches this address can start programs", {
      host: address.host,
      port: address.port,
    });
  }
  return {
    kind: "tls",
    host: address.host,
    port: address.port,
    identity: {
      cert: await readFile(cert),
      key: await readFile(key),
      clientCa: clientCa === null ? undefined : await readFile(clientCa),
    },
  };
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
