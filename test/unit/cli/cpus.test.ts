import assert from "node:assert/strict";
import { renderExplanation } from "../../../cli/output/cpu-explanation.js";
import { renderCpuMap } from "../../../cli/output/cpu-map.js";
import { paintNothing } from "../../../cli/output/style.js";
import { parseCpuChoice } from "../../../cli/parse/cpu-choice.js";
import { type RunOptions, workerOptions } from "../../../cli/run-options.js";
import { UsageError } from "../../../cli/usage-error.js";
import { cpuRequest } from "../../../client/typescript/process-options.js";
import {
  CoreKind,
  ExplainPlacementResponse,
  GetTopologyResponse,
  ListCpuAssignmentsResponse,
} from "../../../proto/gen/forkbus/v1/cpu.js";
import { CpuLayout, CpuPolicy } from "../../../proto/gen/forkbus/v1/process.js";

const place = {
  isLocal: true,
  workingDir: (): string => "/",
  env: {},
  stdinIsTerminal: false,
};

function cpusOf(options: RunOptions): unknown {
  return workerOptions(["true"], options, place).cpus;
}

describe("exclusive CPUs on the command line", () => {
  it("are a number, and how they lie", () => {
    assert.deepEqual(parseCpuChoice("exclusive"), {
      kind: "exclusive",
      count: 1,
      layout: "compact",
    });
    assert.deepEqual(parseCpuChoice("exclusive:4:full-core"), {
      kind: "exclusive",
      count: 4,
      layout: "full-core",
    });
    for (const text of [
      "exclusive:",
      "exclusive:0",
      "exclusive:2:",
      "exclusive:2:far",
      "exclusive:2:spread:1",
      "exclusives",
      "exclusive2",
    ]) {
      assert.throws(() => parseCpuChoice(text), UsageError, text);
    }
  });

  it("are waited for where run is told to, and others are not", () => {
    assert.deepEqual(cpusOf({ cpus: "exclusive:2:spread", cpusWait: "1.5s" }), {
      exclusive: 2,
      layout: "spread",
      waitMs: 1500,
    });
    assert.throws(() => cpusOf({ cpus: "2", cpusWait: "1s" }), UsageError);
    assert.throws(() => cpusOf({ cpusWait: "1s" }), UsageError);
  });

  it("are asked for as the API has them", () => {
    assert.deepEqual(cpuRequest({ exclusive: 2, layout: "full-core", waitMs: 5 }), {
      policy: CpuPolicy.EXCLUSIVE,
      count: 2,
      layout: CpuLayout.FULL_CORE,
      maxWaitMs: 5,
    });
    assert.deepEqual(cpuRequest({ exclusive: 1 }), {
      policy: CpuPolicy.EXCLUSIVE,
      count: 1,
      layout: CpuLayout.COMPACT,
      maxWaitMs: 0,
    });
  });
});

describe("the drawing of CPUs", () => {
  const kind = CoreKind.PERFORMANCE;
  const topology = GetTopologyResponse.fromPartial({
    cpus: [
      { id: 0, core: 0, package: 0, usable: false, reserved: true, kind },
      { id: 1, core: 1, package: 0, usable: true, kind },
      { id: 2, core: 0, package: 0, usable: true, kind },
      { id: 3, core: 3, package: 1, numaNode: 1, usable: true, kind: CoreKind.EFFICIENCY },
      { id: 4, core: 4, package: 1, numaNode: 1, usable: false, kind: CoreKind.EFFICIENCY },
    ],
  });
  const names = Array.from({ length: 10 }, (_, n) => `w${n}`);
  const seats = ListCpuAssignmentsResponse.fromPartial({
    assignments: [
      { cpu: 1, exclusive: true, processes: ["web"], processCount: 1 },
      { cpu: 2 },
      { cpu: 3, processes: names, processCount: 12 },
    ],
    drifts: [{ process: "web", ledgerCpus: [1], kernelCpus: [2, 3] }],
    waiting: [{ cpus: 2, layout: CpuLayout.FULL_CORE }],
    unpinned: 1,
  });

  it("puts siblings and packages together, and says who sits where and what is amiss", () => {
    assert.equal(
      renderCpuMap(topology, seats, paintNothing),
      `PACKAGE  NODE  CORE  CPU  KIND         USE        WORKERS  NAMES
0        0     0       0  performance  reserved         0  -
                       2  performance  shared           0  -
               1       1  performance  exclusive        1  web
1        1     3       3  efficiency   shared          12  w0 w1 w2 w3 w4 w5 w6 w7 and 4 more
               4       4  efficiency   not ours         0  -

not in its place  web runs on CPUs 2-3, its place is 1
waiting  2 exclusive CPUs, full-core: next
not pinned  1 worker, on all that is shared
`,
    );
  });

  it("says by which rules a request fits or does not", () => {
    const steps = [{ rule: "workers may use them", cpus: [0, 1, 2] }];
    const fits = ExplainPlacementResponse.fromPartial({
      fits: true,
      cpus: [1],
      steps,
      moved: ["a"],
      movedCount: 3,
    });
    assert.equal(
      renderExplanation(fits, paintNothing),
      "RULE                  LEFT  CPUS\nworkers may use them     3  0-2\n\nIt fits, on CPUs 1\nMoved to make room: a and 2 more\n",
    );
    const refused = ExplainPlacementResponse.fromPartial({
      steps,
      rejection: { reason: "CPUS_EXHAUSTED", message: "2 were asked for", blockers: ["web"] },
    });
    assert.match(
      renderExplanation(refused, paintNothing),
      /It does not fit: 2 were asked for \(CPUS_EXHAUSTED\)\nRoom is made when these end: web\n$/,
    );
  });
});
