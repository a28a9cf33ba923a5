import assert from "node:assert/strict";
import type { Contender } from "../../../bench/harness/contender.js";
import { interleave, orderOfRound } from "../../../bench/harness/rounds.js";

function contender(name: string, run: () => Promise<readonly number[]>): Contender {
  return { role: "rival", group: "group", name, version: "1", command: name, unit: "ms", run };
}

describe("the order of a round", () => {
  const names = ["a", "b", "c", "d"];

  it("gives each each place equally often", () => {
    const rounds = Array.from({ length: 2 * names.length }, (_, round) =>
      orderOfRound(names, round),
    );
    for (const place of names.keys()) {
      const there = rounds.map((round) => round[place]).sort();
      assert.deepEqual(there, [...names, ...names].sort());
    }
  });

  it("turns round, so that nobody always follows the same", () => {
    assert.deepEqual(orderOfRound(names, 0), ["a", "b", "c", "d"]);
    assert.deepEqual(orderOfRound(names, 1), ["d", "c", "b", "a"]);
    assert.deepEqual(orderOfRound(names, 2), ["b", "c", "d", "a"]);
    assert.deepEqual(orderOfRound(names, 3), ["a", "d", "c", "b"]);
  });

  it("of nobody is empty", () => {
    assert.deepEqual(orderOfRound([], 3), []);
  });
});

describe("interleaving", () => {
  it("runs all in every round, one at a time, and forgets the warm-up", async () => {
    const log: string[] = [];
    let running = 0;
    let sample = 0;
    const record = (name: string): Contender =>
      contender(name, async () => {
        assert.equal(++running, 1);
        log.push(name);
        await Promise.resolve();
        running--;
        return [++sample];
      });
    const [a, b] = [record("a"), record("b")];
    const seen: number[] = [];
    const samples = await interleave([a, b], { warmUp: 1, measured: 2 }, (done) => seen.push(done));
    assert.deepEqual(log, ["a", "b", "b", "a", "b", "a"]);
    assert.deepEqual(samples.get(a), [4, 6]);
    assert.deepEqual(samples.get(b), [3, 5]);
    assert.deepEqual(seen, [1, 2, 3]);
  });

  it("stops at the first that fails", async () => {
    let runs = 0;
    const failing = contender("failing", () => Promise.reject(new Error("a wrong count")));
    const other = contender("other", () => {
      runs++;
      return Promise.resolve([1]);
    });
    await assert.rejects(interleave([failing, other], { warmUp: 0, measured: 3 }), /a wrong count/);
    assert.equal(runs, 0);
  });
});
