import assert from "node:assert/strict";
import type { Contender, Title } from "../../../bench/harness/contender.js";
import {
  findRow,
  ratiosOf,
  type Report,
  rowOf,
  rowsOf,
  target,
} from "../../../bench/harness/report.js";
import { reportText } from "../../../bench/harness/report-text.js";

const times: Title = {
  role: "forkbus",
  group: "one",
  name: "ours",
  version: "1.2.3",
  command: "forkbus serve",
  unit: "ms",
};
const rates: Title = { ...times, role: "rival", name: "theirs", unit: "per_s" };

describe("a row", () => {
  it("of times has percentiles and no rate", () => {
    assert.deepEqual(rowOf(times, [3, 1, 2]), {
      role: "forkbus",
      group: "one",
      name: "ours",
      version: "1.2.3",
      command: "forkbus serve",
      p50_ms: 2,
      p99_ms: 3,
      per_s: null,
      mb: null,
      n: 3,
      samples_unit: "ms",
      samples: [3, 1, 2],
    });
  });

  it("of rates has their median and no times", () => {
    const { p50_ms, p99_ms, per_s, n } = rowOf(rates, [100, 300, 200]);
    assert.deepEqual(
      { p50_ms, p99_ms, per_s, n },
      { p50_ms: null, p99_ms: null, per_s: 200, n: 3 },
    );
  });

  it("of sizes has their median and neither", () => {
    const { p50_ms, per_s, mb } = rowOf({ ...times, unit: "mb" }, [1.5, 3.5, 2.5]);
    assert.deepEqual({ p50_ms, per_s, mb }, { p50_ms: null, per_s: null, mb: 2.5 });
  });

  it("is there only for whom there is a sample of", () => {
    const contender = (name: string): Contender => ({
      ...times,
      name,
      run: () => Promise.resolve([]),
    });
    const samples = new Map([
      [contender("ours"), [1]],
      [contender("nobody"), []],
    ]);
    assert.deepEqual(
      rowsOf(samples).map(({ name }) => name),
      ["ours"],
    );
  });
});

describe("ratios", () => {
  const rows = [rowOf(times, [4]), rowOf({ ...times, name: "theirs" }, [8])];

  it("are ours over theirs", () => {
    const pair = [findRow(rows, "one", "ours"), findRow(rows, "one", "theirs")] as const;
    assert.deepEqual(ratiosOf({ ours_vs_theirs: pair }), { ours_vs_theirs: 0.5 });
  });

  it("leave out whom there is no row of", () => {
    const pair = [findRow(rows, "one", "ours"), findRow(rows, "two", "theirs")] as const;
    assert.deepEqual(ratiosOf({ ours_vs_theirs: pair }), {});
  });
});

describe("a target", () => {
  it("is met at its goal and on the good side of it", () => {
    const met = (value: number, goal: Parameters<typeof target>[3]): boolean =>
      target("what", "field", value, goal).some((each) => each.met);
    assert.deepEqual(
      [4.9, 5, 5.1].map((value) => met(value, { atLeast: 5 })),
      [false, true, true],
    );
    assert.deepEqual(
      [4.9, 5, 5.1].map((value) => met(value, { atMost: 5 })),
      [true, true, false],
    );
  });

  it("is left out when there is nothing to measure it by", () => {
    assert.deepEqual(target("what", "field", undefined, { atLeast: 5 }), []);
    assert.deepEqual(target("what", "field", null, { atLeast: 5 }), []);
  });

  it("is missed by what is not a number", () => {
    assert.deepEqual(
      target("what", "field", NaN, { atLeast: 5 }).map((each) => each.met),
      [false],
    );
  });
});

describe("a report", () => {
  const report: Report = {
    name: "sample",
    rows: [
      rowOf(times, [3, 1, 2]),
      rowOf(rates, [1_234_567]),
      rowOf({ ...times, name: "size", unit: "mb" }, [1.25]),
    ],
    floors: [rowOf({ ...times, role: "floor", name: "least" }, [0.5])],
    ratios: { ours_vs_theirs: 0.25 },
    targets: [...target("a rate", "rows", 999, { atLeast: 1_000_000 })],
    left_out: ["Python: there is no python3"],
    quick: true,
    only: [],
    rounds: { warm_up: 1, measured: 3 },
    machine: {
      cpus: 2,
      cpu_model: "model",
      memory_mib: 1024,
      arch: "x64",
      kernel: "6.0",
      node: "v20",
      python: null,
      load_before: 0,
    },
    date: "2026-01-01T00:00:00.000Z",
    commit: null,
  };

  it("says as JSON all that it says, numbers that are not there as null", () => {
    assert.deepEqual(JSON.parse(JSON.stringify(report)), report);
  });

  it("shows people every row, floors as such, ratios, missed targets and who was left out", () => {
    const text = reportText(report);
    for (const line of [
      /^ {2}ours +p50 +2\.00 ms +p99 +3\.00 ms +n 3$/m,
      /^ {2}theirs +1 234 567 \/s +n 1$/m,
      /^ {2}size +1\.25 MB +n 1$/m,
      /^ {2}\(floor\) least +p50 +0\.50 ms/m,
      /^ {2}ours_vs_theirs +0\.25$/m,
      /^ {2}MISSED a rate: 999\.00 \(goal >= 1 000 000\)$/m,
      /^Left out: Python: there is no python3$/m,
      /^A quick run/m,
    ]) {
      assert.match(text, line);
    }
  });
});
