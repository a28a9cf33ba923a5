import assert from "node:assert/strict";
import fc from "fast-check";
import type { CpuRequest } from "../../../server/cpus/cpu-request.js";
import type { ProcessUid } from "../../../server/core/ids.js";
import type { ProcessRecord } from "../../../server/processes/process-record.js";
import { treeHasEnded } from "../../../server/processes/process-state.js";
import { orderOf, REQUESTER, settled, specOf, SystemFixture, USABLE_CPUS } from "./fixture.js";

type Meanwhile = "nothing" | "order-lost" | "reconnected" | "replaced";

type Action =
  | { readonly kind: "create"; readonly request: number; readonly meanwhile: Meanwhile }
  | { readonly kind: "bear" | "fail" | "end-tree" | "stop"; readonly which: number }
  | {
      readonly kind: "end";
      readonly which: number;
      readonly code: number;
      readonly descendants: boolean;
    }
  | { readonly kind: "delete"; readonly which: number; readonly force: boolean }
  | { readonly kind: "disk"; readonly isFull: boolean }
  | { readonly kind: "disconnect" | "connect" | "keeper-dies" | "daemon-dies" }
  | { readonly kind: "advance"; readonly ms: number };

const which = fc.nat(7);
const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("create" as const),
      request: fc.nat(4),
      meanwhile: fc.constantFrom<Meanwhile>("nothing", "order-lost", "reconnected", "replaced"),
    }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("bear" as const), which }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("end" as const),
      which,
      code: fc.nat(255),
      descendants: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom("fail" as const, "end-tree" as const, "stop" as const),
      which,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("delete" as const), which, force: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("disk" as const), isFull: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constantFrom("disconnect" as const, "connect" as const, "connect" as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom("keeper-dies" as const, "daemon-dies" as const) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.nat(2000) }) },
);

/** By the number of the request; all beyond: not pinned. */
const CPU_REQUESTS: readonly CpuRequest[] = [
  { kind: "shared", count: 1 },
  { kind: "shared", count: 2 },
  { kind: "exclusive", count: 1, layout: "compact", maxWaitMs: 0 },
  { kind: "exclusive", count: 1, layout: "spread", maxWaitMs: 1500 },
];

const RETENTION = { maxRecords: 3, maxAgeMs: 5000 };

/** The system under test, and what the model knows that the system has to find out. */
class Run {
  fixture = new SystemFixture(RETENTION);
  /** How each worker really ended. */
  readonly ends = new Map<ProcessUid, number>();
  readonly deleted = new Set<ProcessUid>();
  pendingCreates = 0;
  #restarts = 0;

  constructor() {
    this.#watch();
  }

  get records(): readonly ProcessRecord[] {
    return [...this.fixture.system.table.all()];
  }

  async act(action: Action): Promise<void> {
    const { keeper, store, system, clock } = this.fixture;
    switch (action.kind) {
      case "create":
        this.#create(action.request);
        await this.#meanwhile(action.meanwhile);
        return;
      case "bear":
        this.#pick(keeper.uids("starting"), action.which, (uid) => {
          keeper.bear(uid);
        });
        return;
      case "fail":
        this.#pick(keeper.uids("starting"), action.which, (uid) => {
          keeper.fail(uid, { step: "exec", errno: "ENOENT", message: "" });
        });
        return;
      case "end":
        this.#pick(keeper.uids("alive"), action.which, (uid) => {
          this.ends.set(uid, action.code);
          keeper.end(uid, { kind: "code", code: action.code }, action.descendants);
        });
        return;
      case "end-tree":
        this.#endTree(action.which);
        return;
      case "stop":
        this.#pick(this.records, action.which, ({ name }) => {
          const never = new AbortController().signal;
          system.processes
            .stop({ name, uid: null }, { graceMs: 100 }, REQUESTER, 0, never)
            .catch(mustBeKnown);
        });
        return;
      case "delete":
        this.#pick(this.records, action.which, ({ uid, name }) => {
          this.deleted.add(uid);
          const never = new AbortController().signal;
          system.processes.delete({ name, uid }, action.force, REQUESTER, never).catch(mustBeKnown);
        });
        return;
      case "disk":
        store.isFull = action.isFull;
        return;
      case "disconnect":
        keeper.disconnect();
        return;
      case "connect":
        if (!keeper.isConnected) this.fixture.connect();
        return;
      case "keeper-dies":
        keeper.die();
        return;
      case "daemon-dies":
        await this.#restart();
        return;
      case "advance":
        await clock.advance(action.ms);
        return;
    }
  }

  check(): void {
    const { keeper, system } = this.fixture;
    const living = this.records.filter(({ state }) => !treeHasEnded(state));
    for (const cpu of USABLE_CPUS) {
      const placed = living.filter(
        ({ spec, placement }) => spec.cpus.kind !== "none" && placement?.includes(cpu) === true,
      );
      assert.equal(system.ledger.workersOn(cpu), placed.length, `load of CPU ${cpu}`);
      // Who has ended is known when the keeper has said so.
      const isExclusive = placed.some(({ spec }) => spec.cpus.kind === "exclusive");
      if (!isExclusive || !keeper.isConnected) continue;
      const on = living.filter(({ placement }) => placement?.includes(cpu) === true);
      assert.equal(on.length, 1, `CPU ${cpu} is exclusive, and others are on it`);
    }
    for (const [uid, births] of keeper.births) assert.equal(births, 1, `births of ${uid}`);
    const requests = this.records.map(({ requestId }) => requestId).filter((id) => id !== null);
    assert.equal(new Set(requests).size, requests.length, "a request_id names one process");
    for (const { uid, state } of this.records) {
      if (state.kind !== "exited") continue;
      assert.deepEqual(state.exit.outcome, { kind: "code", code: this.ends.get(uid) });
    }
    if (!keeper.isConnected) return;
    for (const [uid, { worker, end }] of keeper.slots) {
      const record = system.table.byUid(uid);
      assert.ok(record !== undefined, `worker ${uid} has no record`);
      if (worker !== null && end === null) {
        assert.ok(["running", "stopping"].includes(record.state.kind), `${uid} is alive`);
        // What an earlier daemon had under way when it died is reported, and left.
        if (this.#restarts === 0 && record.placement !== null) {
          assert.deepEqual(worker.cpus, record.placement, `${uid} is not where it was placed`);
        }
      }
    }
  }

  /** All goes well from here on: everything must come to an end. */
  async finish(): Promise<void> {
    const { keeper, store, clock, system } = this.fixture;
    store.isFull = false;
    if (!keeper.isConnected) this.fixture.connect();
    for (let rounds = 0; rounds < 10; rounds++) {
      await settled();
      for (const uid of keeper.uids("starting")) keeper.bear(uid);
      for (const uid of keeper.uids("alive")) {
        this.ends.set(uid, 0);
        keeper.end(uid, { kind: "code", code: 0 });
      }
      for (let index = 0; index < 8; index++) this.#endTree(index);
      await settled();
      await clock.advance(600);
    }
    await settled();
    this.check();
    assert.equal(this.pendingCreates, 0, "a create never settled");
    assert.deepEqual([...keeper.slots.keys()], [], "the keeper was not told to forget");
    assert.ok(system.table.size <= RETENTION.maxRecords, "records do not expire");
    assert.deepEqual(
      [...store.records.values()].map(({ uid, state }) => [uid, state]).sort(),
      this.records.map(({ uid, state }) => [uid, state]).sort(),
      "what is kept is what is known",
    );
    await clock.advance(RETENTION.maxAgeMs);
    for (let rounds = 0; rounds < 10; rounds++) await settled();
    assert.equal(system.table.size, 0);
    assert.equal(store.records.size, 0);
    assert.equal(system.trouble, null);
    await this.fixture[Symbol.asyncDispose]();
  }

  /** What happens while the intent is being kept. */
  async #meanwhile(event: Meanwhile): Promise<void> {
    const { keeper } = this.fixture;
    if (!keeper.isConnected) return;
    switch (event) {
      case "nothing":
        return;
      case "order-lost":
        // The connection breaks with the order on it.
        keeper.losesOrders = true;
        await settled();
        keeper.disconnect();
        keeper.losesOrders = false;
        return;
      case "reconnected":
      case "replaced":
        await Promise.resolve();
        if (event === "replaced") keeper.die();
        else keeper.disconnect();
        this.fixture.connect();
        return;
    }
  }

  #create(request: number): void {
    const { processes } = this.fixture.system;
    const order = orderOf({
      requestId: request === 0 ? null : `request-${request}`,
      spec: specOf({ onExit: "wait-tree", cpus: CPU_REQUESTS[request] ?? { kind: "none" } }),
    });
    this.pendingCreates++;
    processes
      .create(order)
      .then(({ state }) => {
        assert.notEqual(state.kind, "starting", "a create ends when the program runs");
      })
      .catch(mustBeKnown)
      .finally(() => {
        this.pendingCreates--;
      });
  }

  #endTree(which: number): void {
    const { keeper } = this.fixture;
    const withDescendants = [...keeper.slots].filter(([, { end }]) => end?.descendantsAlive);
    this.#pick(withDescendants, which, ([uid]) => {
      keeper.endTree(uid);
    });
  }

  #pick<T>(all: readonly T[], which: number, use: (one: T) => void): void {
    const one = all[which % Math.max(1, all.length)];
    if (one !== undefined) use(one);
  }

  async #restart(): Promise<void> {
    this.#restarts++;
    const old = this.fixture;
    old.keeper.disconnect();
    await settled();
    // Who waited for the old daemon waits no more.
    this.pendingCreates = 0;
    await old[Symbol.asyncDispose]();
    this.fixture = new SystemFixture(RETENTION, old);
    this.#watch();
  }

  #watch(): void {
    const { keeper, store } = this.fixture;
    keeper.onAcknowledge = (uid) => {
      const kept = store.records.get(uid);
      // Not thrown: the keeper's answer is for the system, not for the test.
      if (kept === undefined && !this.deleted.has(uid)) failures.push(`${uid} forgotten unkept`);
      if (kept !== undefined && !treeHasEnded(kept.state)) {
        failures.push(`${uid} forgotten, kept as ${kept.state.kind}`);
      }
    };
  }
}

describe("processes, their keeper and their store", () => {
  it("lose nothing and invent nothing, whatever fails when", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 40, size: "max" }), async (actions) => {
        failures.length = 0;
        const run = new Run();
        run.fixture.connect();
        for (const each of actions) {
          await run.act(each);
          await settled();
          run.check();
        }
        await run.finish();
        assert.deepEqual(failures, []);
      }),
      { numRuns: 400 },
    );
  });
});

const failures: unknown[] = [];

/** Calls may be refused, but only for a reason that clients are told. */
function mustBeKnown(error: unknown): void {
  if (!(error instanceof Error) || error.name !== "DomainError") failures.push(error);
}
