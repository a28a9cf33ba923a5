import assert from "node:assert/strict";
import { z } from "zod";
import type { ProcessUid } from "../../../server/core/ids.js";
import { cpuSpace } from "../../../server/cpus/cpu-space.js";
import { flatTopology } from "../../../server/cpus/topology.js";
import type { CreateOrder } from "../../../server/processes/admission.js";
import { ProcessSystem } from "../../../server/processes/process-system.js";
import type { FunctionTarget, Runtime } from "../../../server/processes/target.js";
import { emptySpec, type TemplateSpec } from "../../../server/templates/template-spec.js";
import type { TemplateState } from "../../../server/templates/template-state.js";
import { TemplateSystem } from "../../../server/templates/template-system.js";
import {
  failureOf,
  type TemplateFailure,
  type ZygoteReport,
} from "../../../server/templates/zygote-report.js";
import type { ZygoteFiles } from "../../../server/templates/zygote-supervisor.js";
import { FakeKeeper, type FakeSlot } from "../../support/fake-keeper.js";
import { FakeRecordStore } from "../../support/fake-record-store.js";
import { FakeTemplateStore } from "../../support/fake-template-store.js";
import { ManualClock } from "../../support/manual-clock.js";
import { orderOf, settled, specOf, uidOf, USABLE_CPUS } from "../processes/fixture.js";

export const REPORT: ZygoteReport = {
  runtimeVersion: "3.11.7",
  modules: [],
  threads: [],
  openFiles: [],
  canFork: true,
  why: "",
};

/** Of one whose self-test failed. */
export const CANNOT: ZygoteReport = { ...REPORT, canFork: false, why: "An unknown V8" };

export const RUNTIMES = {
  python: { interpreter: "python3", program: ["main.py"], forkLibrary: "/lib/fork.so" },
  node: { interpreter: "node", program: ["main.js"], forkLibrary: null },
} as const;

export const SIGKILLED = { kind: "signal", number: 9, coreDumped: false } as const;

export function templateSpecOf(patch: Partial<TemplateSpec> = {}): TemplateSpec {
  return { ...emptySpec(patch.runtime ?? "python"), ...patch };
}

/** A function of a template, by the start method forkserver. */
export function functionOf(template: string, patch: Partial<FunctionTarget> = {}): FunctionTarget {
  return {
    kind: "python",
    origin: { method: "forkserver", template },
    function: "app:main",
    arguments: { encoding: "json", bytes: 0, digest: "" },
    resultEncoding: "json",
    modulePath: [],
    mainFile: null,
    ...patch,
  };
}

export function createOf(
  template: string,
  patch: Partial<CreateOrder> = {},
  kind: Runtime = "python",
): CreateOrder {
  const target = functionOf(template, { kind });
  return orderOf({
    spec: specOf({ target, workingDir: null, cpus: { kind: "none" } }),
    ...patch,
  });
}

/** Why a create failed; or what else came of it. */
export function failureCode({ settled: error }: { settled: unknown }): unknown {
  return error instanceof Error && "code" in error ? error.code : error;
}

/** What zygotes have written. */
class FakeZygoteFiles implements ZygoteFiles {
  readonly reports = new Map<ProcessUid, ZygoteReport | TemplateFailure>();

  report(uid: ProcessUid): Promise<ZygoteReport | TemplateFailure | null> {
    return Promise.resolve(this.reports.get(uid) ?? null);
  }

  tail(): Promise<string> {
    return Promise.resolve("");
  }
}

const told = z.object({ kind: z.enum(["zygote", "worker", "prestarted"]), name: z.string() });

/** What a worker was told to become; null while it was not told. */
export function toldOf({ order }: FakeSlot): z.output<typeof told> | null {
  const bytes = order?.specification ?? null;
  if (bytes === null) return null;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  return told.parse(JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length))));
}

/** Templates and processes together, over fakes. */
export class TemplateFixture implements AsyncDisposable {
  readonly keeper: FakeKeeper;
  readonly store: FakeRecordStore;
  readonly templateStore: FakeTemplateStore;
  readonly files: FakeZygoteFiles;
  readonly clock = new ManualClock();
  readonly warnings: unknown[] = [];
  readonly templates: TemplateSystem;
  readonly system: ProcessSystem;
  readonly #uids: { next: number };
  #obeyed = 0;

  /** `before`: what a daemon that was here before has left. */
  constructor(
    before?: TemplateFixture,
    limits: { readonly maxTemplates?: number; readonly maxSpecBytes?: number } = {},
  ) {
    this.keeper = before?.keeper ?? new FakeKeeper();
    this.store = before?.store ?? new FakeRecordStore();
    this.templateStore = before?.templateStore ?? new FakeTemplateStore();
    this.files = before?.files ?? new FakeZygoteFiles();
    this.#uids = before === undefined ? { next: 1 } : before.#uids;
    this.#obeyed = before === undefined ? 0 : before.#obeyed;
    const log = {
      info: () => undefined,
      warn: (message: string, fields: unknown) => {
        this.warnings.push([message, fields]);
      },
    };
    const shared = {
      keeper: this.keeper,
      clock: this.clock,
      log,
      newUid: () => uidOf(this.#uids.next++),
      baseEnvironment: { PATH: "/bin" },
    };
    this.templates = new TemplateSystem({
      ...shared,
      ...limits,
      records: [...this.templateStore.records.values()],
      store: this.templateStore,
      files: this.files,
      runtimes: RUNTIMES,
      user: (name) => Promise.resolve(name === "ada" ? { uid: 7, gid: 7 } : undefined),
    });
    this.system = new ProcessSystem({
      ...shared,
      recovered: this.store.recovered(),
      store: this.store,
      users: {
        find: (name) => Promise.resolve(name === "ada" ? { uid: 7, gid: 7 } : undefined),
      },
      cpus: cpuSpace(flatTopology(USABLE_CPUS), USABLE_CPUS, {
        cpus: null,
        reserved: [],
        minShared: 1,
      }),
      affinities: this.keeper,
      retention: { maxRecords: 100_000, maxAgeMs: 1e15 },
      forkServers: this.templates.forkServers,
      forkLibrary: RUNTIMES.python.forkLibrary,
    });
  }

  /** The outcome of a create, when there is one. */
  outcome(order: CreateOrder): { settled: unknown } {
    const seen: { settled: unknown } = { settled: null };
    this.system.processes.create(order).then(
      (record) => {
        seen.settled = record;
      },
      (error: unknown) => {
        seen.settled = error;
      },
    );
    return seen;
  }

  connect(): void {
    this.keeper.connect(this.templates.router(this.system.supervisor));
  }

  /** A template, and time for it to be ready. */
  async make(name: string, patch: Partial<TemplateSpec> = {}): Promise<void> {
    await this.begin(name, patch);
    await this.thrive(3);
  }

  /** Nothing of it has been started yet. */
  async begin(name: string, patch: Partial<TemplateSpec> = {}): Promise<void> {
    const spec = templateSpecOf(patch);
    const order = { name, owner: "uid:1", labels: {}, spec, requestId: null };
    await this.templates.templates.create(order);
  }

  stateOf(name: string): TemplateState {
    return this.templates.templates.get(name).state;
  }

  /** That serves. */
  zygoteOf(name: string): ProcessUid {
    return this.stateOf(name).serving?.uid ?? assert.fail(`${name} has no zygote`);
  }

  /** The workers in this stage that are zygotes, of this template where one is named. */
  zygotes(stage: "starting" | "alive", name?: string): readonly ProcessUid[] {
    return this.keeper.uids(stage).filter((uid) => {
      const told = this.#told(uid);
      return told?.kind === "zygote" && (name === undefined || told.name === name);
    });
  }

  workers(stage: "starting" | "alive"): readonly ProcessUid[] {
    return this.keeper.uids(stage).filter((uid) => this.#told(uid)?.kind === "worker");
  }

  /** A zygote that has loaded says so. */
  ready(uid: ProcessUid, report: ZygoteReport = REPORT): void {
    this.files.reports.set(uid, report);
    if (report.canFork) this.keeper.serve(uid);
    else this.keeper.end(uid, { kind: "code", code: 0 });
  }

  /** Its preloads raise. */
  cannotLoad(uid: ProcessUid): void {
    this.files.reports.set(uid, failureOf("No module named app"));
    this.keeper.end(uid, { kind: "code", code: 1 });
  }

  /** Whoever was told to end does, as the keeper has it: what is not born hears SIGKILL alone. */
  obey(): void {
    const { signals, slots } = this.keeper;
    while (this.#obeyed < signals.length) {
      const { uid, signal } = signals[this.#obeyed++] ?? { uid: uidOf(0), signal: 0 };
      const slot = slots.get(uid);
      if (slot === undefined || slot.end !== null) continue;
      if (slot.worker !== null) {
        this.keeper.end(uid, { kind: "signal", number: signal, coreDumped: false });
      } else if (signal === 9) {
        this.keeper.fail(uid, { step: "birth", errno: "EINTR", message: "" });
      }
    }
  }

  /** Time passes, and everything goes well, until nothing happens any more. */
  async thrive(rounds = 8): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      await this.calm();
      for (const uid of this.keeper.uids("starting")) {
        if (this.keeper.slots.get(uid)?.worker === null) this.keeper.bear(uid);
      }
      await this.calm();
      for (const uid of this.zygotes("alive")) {
        if (this.keeper.slots.get(uid)?.servesForks === false) this.ready(uid);
      }
      await this.calm();
      await this.clock.advance(11_000);
    }
    await this.calm();
  }

  /** All happens that waits for no clock and no test. */
  async calm(): Promise<void> {
    for (let round = 0; round < 4; round++) {
      await settled();
      this.obey();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.templates[Symbol.asyncDispose]();
    await this.system[Symbol.asyncDispose]();
  }

  #told(uid: ProcessUid): ReturnType<typeof toldOf> {
    const slot = this.keeper.slots.get(uid);
    return slot === undefined ? null : toldOf(slot);
  }
}
