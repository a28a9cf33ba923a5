import assert from "node:assert/strict";
import fc from "fast-check";
import type { ProcessUid } from "../../../server/core/ids.js";
import type { SpawnFailure } from "../../../server/processes/keeper.js";
import { MAX_UNDER_WAY } from "../../../server/templates/fork-queue.js";
import { phaseOf } from "../../../server/templates/template-state.js";
import { settled } from "../processes/fixture.js";
import { createOf, REPORT, SIGKILLED, TemplateFixture, templateSpecOf, toldOf } from "./fixture.js";

/** `child` is forked from the zygote of `app`; `node` cannot always be forked. */
const NAMES = ["python", "node", "app", "child"] as const;
type Name = (typeof NAMES)[number];

const FAILURES: readonly SpawnFailure[] = [
  { step: "birth", errno: "ECHILD", message: "" },
  { step: "birth", errno: "ETIME", message: "" },
  { step: "birth", errno: "ETIMEDOUT", message: "" },
  { step: "fork", errno: "EAGAIN", message: "" },
  { step: "fork", errno: "EBUSY", message: "ThreadPoolExecutor-0_0" },
  { step: "specification", errno: "EINTR", message: "" },
  { step: "request", errno: "ESRCH", message: "" },
  { step: "cwd", errno: "ENOENT", message: "" },
];

type Action =
  | { readonly kind: "create"; readonly name: Name; readonly request: number }
  | { readonly kind: "make" | "change" | "delete"; readonly name: "app" | "child" }
  | {
      readonly kind: "bear" | "ready" | "cannot-load" | "kill-zygote" | "kill-held" | "end";
      readonly which: number;
    }
  | { readonly kind: "fail"; readonly which: number; readonly failure: SpawnFailure }
  | { readonly kind: "lose-orders"; readonly name: Name }
  | { readonly kind: "disconnect" | "connect" | "keeper-dies" | "daemon-dies" | "bear-all" }
  | { readonly kind: "disk"; readonly isFull: boolean }
  | { readonly kind: "advance"; readonly ms: number };

const which = fc.nat(9);
const name = fc.constantFrom(...NAMES);

function one<K extends string>(
  kind: K,
): fc.Arbitrary<{ readonly kind: K; readonly which: number }> {
  return fc.record({ kind: fc.constant(kind), which });
}

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant("create" as const), name, request: fc.nat(6) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom("make" as const, "make" as const, "change" as const, "delete" as const),
      name: fc.constantFrom("app" as const, "child" as const),
    }),
  },
  { weight: 6, arbitrary: one("bear") },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("bear-all" as const) }) },
  { weight: 6, arbitrary: one("ready") },
  { weight: 1, arbitrary: one("cannot-load") },
  { weight: 3, arbitrary: one("kill-zygote") },
  { weight: 1, arbitrary: one("kill-held") },
  { weight: 1, arbitrary: one("end") },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("fail" as const),
      which,
      failure: fc.constantFrom(...FAILURES),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("lose-orders" as const), name }) },
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
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("disk" as const), isFull: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.nat(3000) }),
  },
);

class Run {
  fixture = new TemplateFixture();
  /** By the daemon that was asked: with it, its creates go. */
  pending = 0;
  readonly bornFor = new Map<string, Set<ProcessUid>>();
  readonly failures: unknown[] = [];

  async act(action: Action): Promise<void> {
    const { keeper, clock, store, templateStore } = this.fixture;
    switch (action.kind) {
      case "create":
        this.#create(action.name, action.request);
        return;
      case "make":
      case "change":
      case "delete":
        this.#template(action.kind, action.name);
        return;
      case "bear":
        this.#pick(this.#unborn(), action.which, (uid) => {
          keeper.bear(uid);
        });
        return;
      case "bear-all":
        for (const uid of this.#unborn()) keeper.bear(uid);
        return;
      case "ready":
        this.#pick(this.#loading(), action.which, (uid) => {
          this.#ready(uid, action.which);
        });
        return;
      case "cannot-load":
        this.#pick(this.#loading(), action.which, (uid) => {
          this.fixture.cannotLoad(uid);
        });
        return;
      case "kill-zygote":
        this.#pick(this.fixture.zygotes("alive"), action.which, (uid) => {
          keeper.end(uid, SIGKILLED);
        });
        return;
      case "kill-held":
        this.#pick(keeper.uids("held"), action.which, (uid) => {
          keeper.end(uid, SIGKILLED);
        });
        return;
      case "end":
        this.#pick(this.fixture.workers("alive"), action.which, (uid) => {
          keeper.end(uid, { kind: "code", code: 0 });
        });
        return;
      case "fail":
        this.#pick(this.#unborn(), action.which, (uid) => {
          keeper.fail(uid, action.failure);
        });
        return;
      case "lose-orders":
        if (!keeper.isConnected) return;
        // The connection breaks with the order on it.
        keeper.losesOrders = true;
        this.#create(action.name, 0);
        await settled();
        keeper.disconnect();
        keeper.losesOrders = false;
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
      case "disk":
        store.isFull = action.isFull;
        templateStore.isFull = action.isFull;
        return;
      case "advance":
        await clock.advance(action.ms);
        return;
    }
  }

  check(): void {
    const { keeper, system, templates } = this.fixture;
    for (const [uid, births] of keeper.births) assert.equal(births, 1, `births of ${uid}`);
    for (const { uid, requestId } of system.table.all()) {
      if (requestId === null || !keeper.births.has(uid)) continue;
      const born = this.bornFor.get(requestId) ?? new Set();
      this.bornFor.set(requestId, born.add(uid));
      assert.equal(born.size, 1, `${requestId} made ${[...born].join()}`);
    }
    const orders = new Map<ProcessUid, number>();
    for (const { order, worker } of keeper.slots.values()) {
      if (order?.kind !== "fork" || worker !== null) continue;
      orders.set(order.server, (orders.get(order.server) ?? 0) + 1);
    }
    for (const [server, count] of orders) {
      assert.ok(count <= MAX_UNDER_WAY, `${server} was given ${count} orders at once`);
    }
    if (!keeper.isConnected) return;
    for (const uid of this.fixture.workers("alive")) {
      const kind = system.table.byUid(uid)?.state.kind;
      assert.ok(kind === "running" || kind === "stopping", `${uid} lives and is ${String(kind)}`);
    }
    for (const uid of this.fixture.zygotes("alive")) {
      assert.ok(templates.table.ofZygote(uid) !== undefined, `zygote ${uid} is nobody's`);
      assert.equal(system.table.byUid(uid), undefined, `zygote ${uid} is shown as a process`);
    }
  }

  /** All goes well from here on: everything must come to an end, and everything works again. */
  async finish(): Promise<void> {
    const { keeper, store, templateStore, templates, clock } = this.fixture;
    store.isFull = false;
    templateStore.isFull = false;
    if (!keeper.isConnected) this.fixture.connect();
    await this.fixture.thrive();
    // Nothing is in use any more.
    await clock.advance(60_000);
    await this.fixture.thrive(1);
    this.check();
    assert.equal(this.pending, 0, "a create never settled");
    for (const { record, state } of templates.table.all()) {
      assert.equal(record.deleted, false, `${record.name} was deleted and is there`);
      const alive = this.fixture.zygotes("alive", record.name);
      const serving = state.serving === null ? [] : [state.serving.uid];
      assert.deepEqual(alive, serving, `zygotes of ${record.name}, which is ${phaseOf(state)}`);
      assert.deepEqual(
        record.zygotes.map(({ uid }) => uid),
        serving,
        `zygotes that ${record.name} names`,
      );
      const { warmWorkers } = record.spec;
      const warm = serving.length === 0 && state.fallback === null ? 0 : warmWorkers;
      assert.equal(templates.templates.warmWorkers(record.name), warm, `warm of ${record.name}`);
    }
    const held = [...templates.table.all()].reduce(
      (sum, { record }) => sum + templates.templates.warmWorkers(record.name),
      0,
    );
    assert.equal(keeper.uids("held").length, held, "workers are held for nobody");
    await this.#allWork();
    await this.fixture[Symbol.asyncDispose]();
    await clock.advance(1e9);
    assert.deepEqual(this.failures, []);
  }

  /** No place of a queue has been lost. */
  async #allWork(): Promise<void> {
    const { keeper, templates } = this.fixture;
    for (const { record, state } of [...templates.table.all()]) {
      if (phaseOf(state) === "failed") continue;
      const born = keeper.births.size;
      const target = record.name as Name;
      for (let count = 0; count < MAX_UNDER_WAY + 1; count++) this.#create(target, 0);
      await this.fixture.thrive(4);
      assert.equal(this.pending, 0, `creates of ${target} wait for ever`);
      assert.ok(keeper.births.size > born + MAX_UNDER_WAY, `${target} makes no workers`);
    }
  }

  #create(target: Name, request: number): void {
    const { system } = this.fixture;
    this.pending++;
    const daemon = this.fixture;
    const over = (): void => {
      if (daemon === this.fixture) this.pending--;
    };
    const order = createOf(
      target,
      { requestId: request === 0 ? null : `${target}-${request}` },
      target === "node" ? "node" : "python",
    );
    system.processes.create(order).then(
      ({ state }) => {
        over();
        if (state.kind === "starting") this.failures.push("a create ends when the program runs");
      },
      (error: unknown) => {
        over();
        this.#mustBeKnown(error);
      },
    );
  }

  #template(kind: "make" | "change" | "delete", target: "app" | "child"): void {
    const { templates } = this.fixture.templates;
    const spec = templateSpecOf({
      parent: target === "child" ? "app" : null,
      warmWorkers: target === "app" ? 2 : 0,
    });
    const known = (error: unknown): void => {
      this.#mustBeKnown(error);
    };
    if (kind === "make") {
      const order = { name: target, owner: "uid:1", labels: {}, spec, requestId: null };
      templates.create(order).catch(known);
    } else if (kind === "change") {
      const other = { ...spec, env: { CHANGE: String(this.fixture.clock.now()) } };
      templates.update(target, other).catch(known);
    } else templates.delete(target).catch(known);
  }

  #ready(uid: ProcessUid, number: number): void {
    const slot = this.fixture.keeper.slots.get(uid);
    const name = slot === undefined ? undefined : toldOf(slot)?.name;
    const mayFail = name === "node" || name === "app";
    const cannot = { ...REPORT, canFork: false, why: "An unknown V8" };
    this.fixture.ready(uid, mayFail && number % 2 === 0 ? cannot : REPORT);
  }

  #unborn(): readonly ProcessUid[] {
    return this.fixture.keeper.uids("starting");
  }

  #loading(): readonly ProcessUid[] {
    const { slots } = this.fixture.keeper;
    return this.fixture.zygotes("alive").filter((uid) => slots.get(uid)?.servesForks === false);
  }

  #pick<T>(all: readonly T[], number: number, use: (one: T) => void): void {
    const picked = all[number % Math.max(1, all.length)];
    if (picked !== undefined) use(picked);
  }

  async #restart(): Promise<void> {
    const old = this.fixture;
    old.keeper.disconnect();
    await settled();
    this.pending = 0;
    await old[Symbol.asyncDispose]();
    this.fixture = new TemplateFixture(old);
  }

  /** Calls may be refused, but only for a reason that clients are told. */
  #mustBeKnown(error: unknown): void {
    if (!(error instanceof Error) || error.name !== "DomainError") this.failures.push(error);
  }
}

describe("templates, processes and their keeper", () => {
  it("settle every create with at most one worker, whatever dies when", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 50, size: "max" }), async (actions) => {
        const run = new Run();
        run.fixture.connect();
        for (const each of actions) {
          await run.act(each);
          await run.fixture.calm();
          run.check();
        }
        await run.finish();
      }),
      { numRuns: 200 },
    );
  }).timeout(60_000);
});
