import assert from "node:assert/strict";
import fc from "fast-check";
import type { KeptWorker } from "../../../server/processes/keeper.js";
import {
  type KeeperIdentity,
  type ProcessState,
  treeHasEnded,
} from "../../../server/processes/process-state.js";
import { type Finding, reconcile } from "../../../server/processes/reconciliation.js";
import { exitReport } from "../../support/fake-keeper.js";
import { KEEPER, recordOf, uidOf, WORKER } from "./fixture.js";

const NEXT: KeeperIdentity = { ...KEEPER, instance: "keeper-2" };
const REBOOTED: KeeperIdentity = { ...NEXT, bootId: "boot-2" };
const ELSEWHERE: KeeperIdentity = { ...NEXT, pidNamespace: 2n };

const uid = uidOf(1);
const report = exitReport({ kind: "code", code: 3 });
const exit = { ...report, cause: "self", requester: null, escalated: false } as const;
const loss = { reason: "reboot", message: "", endTimeMs: 0 } as const;
const stop = {
  principal: "uid:1",
  requestId: "",
  signal: 15,
  deadlineMs: 0,
  escalated: false,
} as const;

const STATES = {
  starting: { kind: "starting", stop: null, keeper: KEEPER },
  running: { kind: "running", worker: WORKER, signal: null },
  stopping: { kind: "stopping", worker: WORKER, stop },
  exited: { kind: "exited", worker: WORKER, exit, descendantsAlive: false },
  "exited, tree alive": { kind: "exited", worker: WORKER, exit, descendantsAlive: true },
  lost: { kind: "lost", worker: WORKER, loss },
} as const satisfies Record<string, ProcessState>;

const KEPT_ONE = { uid, worker: WORKER, end: null, held: false, servesForks: false } as const;

const KEPT = {
  nothing: undefined,
  "being started": { ...KEPT_ONE, worker: null },
  alive: KEPT_ONE,
  ended: { ...KEPT_ONE, end: { report, descendantsAlive: false } },
  "ended, tree alive": { ...KEPT_ONE, end: { report, descendantsAlive: true } },
  "ended, nobody knows how": {
    ...KEPT_ONE,
    end: { report: null, descendantsAlive: false },
  },
} as const satisfies Record<string, KeptWorker | undefined>;

function findings(
  state: keyof typeof STATES,
  kept: keyof typeof KEPT,
  keeper: KeeperIdentity = KEEPER,
): readonly Finding[] {
  const known = KEPT[kept];
  return reconcile([recordOf(STATES[state])], keeper, known === undefined ? [] : [known]);
}

function kinds(...of: Parameters<typeof findings>): string {
  return findings(...of)
    .map((finding) => (finding.kind === "lost" ? `lost(${finding.reason})` : finding.kind))
    .join(" ");
}

describe("the comparison of records with the keeper's workers", () => {
  it("finds what each record is to become", () => {
    const table: readonly (readonly [...Parameters<typeof findings>, string])[] = [
      ["starting", "nothing", KEEPER, "not-born"],
      ["starting", "nothing", NEXT, "lost(keeper-died)"],
      ["starting", "nothing", REBOOTED, "lost(reboot)"],
      ["starting", "being started", KEEPER, ""],
      ["starting", "alive", KEEPER, "spawned"],
      ["starting", "ended", KEEPER, "spawned exited"],
      ["starting", "ended, tree alive", KEEPER, "spawned exited"],
      ["running", "nothing", KEEPER, "lost(record-damaged)"],
      ["running", "nothing", NEXT, "adopt"],
      ["running", "nothing", REBOOTED, "lost(reboot)"],
      ["running", "nothing", ELSEWHERE, "lost(namespace-gone)"],
      ["running", "alive", KEEPER, ""],
      ["running", "ended", KEEPER, "exited"],
      ["stopping", "nothing", REBOOTED, "lost(reboot)"],
      ["stopping", "ended, tree alive", KEEPER, "exited"],
      ["stopping", "ended, nobody knows how", KEEPER, "exited"],
      ["exited", "nothing", KEEPER, "forgotten"],
      ["exited", "ended", KEEPER, "acknowledge"],
      ["exited, tree alive", "nothing", KEEPER, "tree-gone"],
      ["exited, tree alive", "ended", KEEPER, "tree-gone"],
      ["exited, tree alive", "ended, tree alive", KEEPER, ""],
      ["lost", "nothing", KEEPER, "forgotten"],
      ["lost", "ended", KEEPER, "acknowledge"],
    ];
    for (const [state, kept, keeper, expected] of table) {
      assert.equal(kinds(state, kept, keeper), expected, `${state}, ${kept}`);
    }
  });

  it("takes in a worker that has no record", () => {
    assert.deepEqual(reconcile([], KEEPER, [KEPT.alive]), [{ kind: "unknown", kept: KEPT.alive }]);
  });

  it("invents no exit, and leaves no dead worker without an answer", () => {
    const keeper = fc.constantFrom(KEEPER, NEXT, REBOOTED, ELSEWHERE);
    const state = fc.constantFrom(...Object.keys(STATES)) as fc.Arbitrary<keyof typeof STATES>;
    const kept = fc.constantFrom(...Object.keys(KEPT)) as fc.Arbitrary<keyof typeof KEPT>;
    fc.assert(
      fc.property(state, kept, keeper, (stateName, keptName, identity) => {
        const found = findings(stateName, keptName, identity);
        const known: KeptWorker | undefined = KEPT[keptName];
        for (const finding of found) {
          if (finding.kind === "exited") assert.equal(finding.end, known?.end);
          if (finding.kind === "acknowledge") {
            assert.equal(known?.end?.descendantsAlive, false, "its tree is waited for");
          }
        }
        const record: ProcessState = STATES[stateName];
        const ends = found.filter(({ kind }) =>
          ["exited", "lost", "adopt", "not-born"].includes(kind),
        );
        const mayBeDead = known === undefined || known.end !== null;
        const isOver = treeHasEnded(record) || record.kind === "exited";
        assert.equal(ends.length, mayBeDead && !isOver ? 1 : 0, kinds(stateName, keptName));
      }),
    );
  });
});
