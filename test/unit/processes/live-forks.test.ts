import assert from "node:assert/strict";
import { LiveForks } from "../../../server/processes/live-forks.js";
import type { ProcessRecord } from "../../../server/processes/process-record.js";
import type { ProcessState } from "../../../server/processes/process-state.js";
import { ProcessTable } from "../../../server/processes/process-table.js";
import { exitReport } from "../../support/fake-keeper.js";
import { functionOf } from "../templates/fixture.js";
import { recordOf, specOf, uidOf, WORKER } from "./fixture.js";

const RUNNING: ProcessState = { kind: "running", worker: WORKER, signal: null };
const EXITED: ProcessState = {
  kind: "exited",
  worker: WORKER,
  exit: {
    ...exitReport({ kind: "code", code: 0 }),
    cause: "self",
    requester: null,
    escalated: false,
  },
  descendantsAlive: false,
};

describe("live workers that serve forks", () => {
  const python = specOf({ target: functionOf("python") });
  const node = specOf({ target: functionOf("node", { kind: "node" }) });

  function forks(state: ProcessState, patch: Partial<ProcessRecord>): LiveForks {
    const table = new ProcessTable({ revision: 0, created: 0 });
    table.put(recordOf(state, { spec: python, servesForks: true, ...patch }));
    return new LiveForks(table, "/lib/fork.so");
  }

  it("are found by name, with what Python forks with", () => {
    assert.deepEqual(forks(RUNNING, {}).find("one", "python"), {
      server: uidOf(1),
      forkLibrary: "/lib/fork.so",
    });
    assert.deepEqual(forks(RUNNING, { spec: node }).find("one", "node"), {
      server: uidOf(1),
      forkLibrary: null,
    });
  });

  it("may be programs, which know themselves what they are", () => {
    assert.equal(forks(RUNNING, { spec: specOf() }).find("one", "node").server, uidOf(1));
  });

  it("are refused for the first reason that a caller can do something about", () => {
    const cases = [
      [forks(RUNNING, {}), "two", "python", "process-not-found"],
      [forks(EXITED, {}), "one", "python", "process-ended"],
      [forks(RUNNING, {}), "one", "node", "invalid-field"],
      [forks(RUNNING, { servesForks: false }), "one", "python", "forks-not-served"],
    ] as const;
    for (const [live, name, runtime, code] of cases) {
      assert.throws(() => live.find(name, runtime), { code });
    }
  });
});
