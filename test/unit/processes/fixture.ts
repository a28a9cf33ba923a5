import { parseProcessUid, type ProcessUid } from "../../../server/core/ids.js";
import { cpuSpace } from "../../../server/cpus/cpu-space.js";
import { flatTopology } from "../../../server/cpus/topology.js";
import type { CreateOrder } from "../../../server/processes/admission.js";
import type { SpawnOrder } from "../../../server/processes/keeper.js";
import type { ProcessRecord } from "../../../server/processes/process-record.js";
import {
  DEFAULT_LOG_MAX_BYTES,
  DEFAULT_STOP,
  type ProcessSpec,
} from "../../../server/processes/process-spec.js";
import type {
  KeeperIdentity,
  ProcessState,
  Worker,
} from "../../../server/processes/process-state.js";
import { ProcessSystem } from "../../../server/processes/process-system.js";
import type { RetentionPolicy } from "../../../server/processes/retention.js";
import type { ExecTarget } from "../../../server/processes/target.js";
import { NO_LIMITS } from "../../../server/processes/tree-limits.js";
import { FakeForkServers } from "../../support/fake-fork-servers.js";
import { FakeKeeper } from "../../support/fake-keeper.js";
import { FakeRecordStore } from "../../support/fake-record-store.js";
import { ManualClock } from "../../support/manual-clock.js";

export const KEEPER: KeeperIdentity = { instance: "keeper-1", bootId: "boot-1", pidNamespace: 1n };

export const WORKER: Worker = {
  keeper: KEEPER,
  pid: 100,
  startTicks: 1n,
  startTimeMs: 1,
  cpus: [0],
  cgroup: null,
};

export const USABLE_CPUS = [0, 1, 2];

export function uidOf(number: number): ProcessUid {
  const uid = parseProcessUid(number.toString(16).padStart(32, "0"));
  if (uid === undefined) throw new Error(`${number} makes no uid`);
  return uid;
}

/** A program with these arguments, the first of which names it. */
export function exec(argv: readonly string[], path = argv[0] ?? ""): ExecTarget {
  return { kind: "exec", path, argv };
}

export function specOf(patch: Partial<ProcessSpec> = {}): ProcessSpec {
  return {
    target: exec(["true"]),
    env: {},
    workingDir: "/",
    runAs: null,
    umask: 0o022,
    openStdin: false,
    logMaxBytes: DEFAULT_LOG_MAX_BYTES,
    cpus: { kind: "shared", count: 1 },
    rlimits: [],
    treeLimits: NO_LIMITS,
    stop: DEFAULT_STOP,
    onExit: "kill-tree",
    stdout: "file",
    stderr: "file",
    mergeStderr: false,
    ...patch,
  };
}

export function recordOf(state: ProcessState, patch: Partial<ProcessRecord> = {}): ProcessRecord {
  return {
    uid: uidOf(1),
    name: "one",
    named: true,
    owner: "uid:1",
    labels: {},
    spec: specOf(),
    requestId: null,
    createTimeMs: 0,
    revision: 1,
    placement: [0],
    birth: { method: "spawn", generation: 0, warm: false, timings: null, unenforced: [] },
    servesForks: false,
    state,
    ...patch,
  };
}

export function spawnOrderOf(uid: ProcessUid, patch: Partial<SpawnOrder> = {}): SpawnOrder {
  const { openStdin, stdout, stderr, mergeStderr, onExit, logMaxBytes, umask } = specOf();
  return {
    kind: "spawn",
    uid,
    openStdin,
    stdout,
    stderr,
    mergeStderr,
    onExit,
    logMaxBytes,
    umask,
    limits: [],
    path: "true",
    argv: ["true"],
    env: {},
    workingDir: "/",
    user: null,
    cpus: null,
    rlimits: [],
    specification: null,
    ...patch,
  };
}

export function orderOf(patch: Partial<CreateOrder> = {}): CreateOrder {
  return {
    owner: "uid:1",
    name: null,
    labels: {},
    spec: specOf(),
    arguments: new Uint8Array(),
    requestId: null,
    ...patch,
  };
}

/** Lets everything happen that waits for no clock and no test. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export const REQUESTER = { principal: "uid:1", requestId: "" };

/** All that processes are made of, over fakes. */
export class SystemFixture implements AsyncDisposable {
  readonly keeper: FakeKeeper;
  readonly store: FakeRecordStore;
  readonly clock = new ManualClock();
  readonly warnings: string[] = [];
  readonly forkServers = new FakeForkServers();
  readonly system: ProcessSystem;
  readonly #uids: { next: number };

  /** `before`: what a daemon that was here before has left. */
  constructor(
    retention: RetentionPolicy = { maxRecords: 1000, maxAgeMs: 1_000_000 },
    before?: SystemFixture,
  ) {
    this.keeper = before?.keeper ?? new FakeKeeper();
    this.store = before?.store ?? new FakeRecordStore();
    this.#uids = before === undefined ? { next: 1 } : before.#uids;
    this.system = new ProcessSystem({
      recovered: this.store.recovered(),
      store: this.store,
      keeper: this.keeper,
      users: { find: () => Promise.resolve(undefined) },
      clock: this.clock,
      log: {
        info: () => undefined,
        warn: (message) => {
          this.warnings.push(message);
        },
      },
      cpus: cpuSpace(flatTopology(USABLE_CPUS), USABLE_CPUS, {
        cpus: null,
        reserved: [],
        minShared: 1,
      }),
      affinities: this.keeper,
      retention,
      newUid: () => uidOf(this.#uids.next++),
      baseEnvironment: { PATH: "/bin" },
      forkServers: this.forkServers,
      forkLibrary: "/lib/fork.so",
    });
  }

  connect(): void {
    this.keeper.connect(this.system.supervisor);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.system[Symbol.asyncDispose]();
  }
}
