import assert from "node:assert/strict";
import fc from "fast-check";
import { type Choose, FaultyStorage } from "./faulty-storage.js";
import { contents, openStore, put, remove, run, smallHistory, statesOf } from "./store-history.js";
import { type Contents, type Progress, type Step } from "./store-history.js";

async function recovered(files: ReadonlyMap<string, Buffer>): Promise<Contents> {
  await using store = await openStore(new FaultyStorage(files));
  assert.deepEqual(store.recovered.quarantined, []);
  assert.equal(store.recovered.suspect.size, 0);
  return contents(store.entries);
}

/** The state must be one that the store went through, no older than what was promised. */
function assertReached(found: Contents, steps: readonly Step[], atLeast: number): void {
  const states = statesOf(steps).map((state) => JSON.stringify(state));
  const text = JSON.stringify(found);
  assert.ok(states.slice(atLeast).includes(text), `after ${atLeast} steps found ${text}`);
}

async function runUntil(
  steps: readonly Step[],
  deathAt: number,
  written: number,
): Promise<{ storage: FaultyStorage; progress: Progress }> {
  const storage = new FaultyStorage();
  storage.plan = ({ index }) => (index === deathAt ? { kind: "die", written } : undefined);
  return { storage, progress: await run(storage, steps) };
}

const step = fc.record({
  changes: fc.array(
    fc.oneof(
      {
        weight: 3,
        arbitrary: fc
          .tuple(fc.integer({ min: 0, max: 5 }), fc.string({ maxLength: 60 }))
          .map(([key, text]) => put(`k${key}`, text)),
      },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 5 }).map((key) => remove(`k${key}`)) },
    ),
    { maxLength: 4 },
  ),
  durable: fc.boolean(),
  wait: fc.boolean(),
});

describe("a keyed store whose process dies", () => {
  it("has every acknowledged change and no half batch, whatever call it died in", async function () {
    this.timeout(60_000);
    const steps = smallHistory();
    const whole = new FaultyStorage();
    const { acknowledged, outOfOrder } = await run(whole, steps);
    assert.equal(acknowledged, steps.length);
    assert.equal(outOfOrder, 0);
    assert.ok(
      whole.calls.some(({ operation }) => operation === "rename"),
      "a snapshot was made",
    );
    for (const { index, sizeBytes, name } of whole.calls) {
      // The reserve's content means nothing: one partial write of it is as good as all.
      const step = name === "reserve" ? 32 : 1;
      for (let written = 0; written <= sizeBytes; written += step) {
        const { storage, progress } = await runUntil(steps, index, written);
        assertReached(await recovered(storage.afterDeath()), steps, progress.acknowledged);
      }
    }
  });

  it("can die again in any call of its recovery", async function () {
    this.timeout(60_000);
    const steps = smallHistory();
    const { storage, progress } = await runUntil(steps, 70, 30);
    const files = storage.afterDeath();
    const undisturbed = new FaultyStorage(files);
    await (await openStore(undisturbed))[Symbol.asyncDispose]();
    for (const { index, sizeBytes } of undisturbed.calls) {
      const second = new FaultyStorage(files);
      second.plan = (call) =>
        call.index === index ? { kind: "die", written: sizeBytes >> 1 } : undefined;
      const opening = openStore(second).then((store) => store[Symbol.asyncDispose]());
      await Promise.race([opening, second.death]);
      assertReached(await recovered(second.afterDeath()), steps, progress.acknowledged);
    }
  });

  it("agrees with a map for any history and any death", async function () {
    this.timeout(60_000);
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 30 }),
        fc.nat({ max: 150 }),
        fc.nat({ max: 300 }),
        async (steps, deathAt, written) => {
          const { storage, progress } = await runUntil(steps, deathAt, written);
          assertReached(await recovered(storage.afterDeath()), steps, progress.acknowledged);
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("a keyed store that loses power", () => {
  it("has every durable change, whatever call it was in and whatever was not synced", async function () {
    this.timeout(60_000);
    const steps = smallHistory();
    const whole = new FaultyStorage();
    await run(whole, steps);
    for (const { index, sizeBytes } of whole.calls) {
      const { storage, progress } = await runUntil(steps, index, sizeBytes >> 1);
      for (const choose of choosers()) {
        const found = await stateAfterPowerLoss(storage, choose);
        assertReached(found, steps, progress.durable);
      }
    }
  });

  it("agrees with a map for any history, any moment and any loss", async function () {
    this.timeout(60_000);
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 30 }),
        fc.nat({ max: 150 }),
        fc.infiniteStream(fc.nat()),
        async (steps, deathAt, randomness) => {
          const { storage, progress } = await runUntil(steps, deathAt, 20);
          const found = await stateAfterPowerLoss(
            storage,
            (choices) => randomness.next().value % choices,
          );
          assertReached(found, steps, progress.durable);
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** Everything unsynced gone, everything there, and mixtures. */
function choosers(): readonly Choose[] {
  let turn = 0;
  return [
    () => 0,
    (choices) => choices - 1,
    (choices) => choices >> 1,
    (choices) => (turn += 7) % choices,
    (choices) => (turn += 1) % choices,
  ];
}

function stateAfterPowerLoss(storage: FaultyStorage, choose: Choose): Promise<Contents> {
  return recovered(storage.afterPowerLoss(choose));
}
