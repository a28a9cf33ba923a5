import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KeptProcesses } from "../../../server/journal/kept-processes.js";
import type { ProcessRecord } from "../../../server/processes/process-record.js";
import type { Exit, ProcessState } from "../../../server/processes/process-state.js";
import { NO_LIMITS } from "../../../server/processes/tree-limits.js";
import { exitReport } from "../../support/fake-keeper.js";
import { exec, recordOf, specOf, uidOf, WORKER } from "../processes/fixture.js";
import { ownStore } from "./own-store.js";

const HUGE = 2n ** 64n - 1n;
const worker = { ...WORKER, startTicks: HUGE, startTimeMs: 1.125, cgroup: "/leaf" };
const requester = { principal: "uid:7", requestId: "r" };
const stop = { ...requester, signal: 15, deadlineMs: 12.5, escalated: true };
const report = exitReport({ kind: "code", code: 3 });
const usage = {
  userUs: 1n,
  systemUs: 2n,
  maxRssBytes: HUGE,
  minorFaults: 4n,
  majorFaults: 5n,
  voluntarySwitches: 6n,
  involuntarySwitches: 7n,
};

function exited(patch: Partial<Exit>, descendantsAlive = false): ProcessState {
  const exit: Exit = { ...report, cause: "self", requester: null, escalated: false, ...patch };
  return { kind: "exited", worker, exit, descendantsAlive };
}

const signalled = { kind: "signal", number: 11, coreDumped: true } as const;
const STATES: readonly ProcessState[] = [
  { kind: "starting", stop: null, keeper: WORKER.keeper },
  { kind: "starting", stop, keeper: WORKER.keeper },
  { kind: "running", worker, signal: null },
  { kind: "running", worker, signal: { ...requester, signal: 9 } },
  { kind: "stopping", worker, stop },
  exited({}),
  exited({ usage, cause: "stop-requested", requester, escalated: true }, true),
  exited({ outcome: signalled, source: "pidfd-info", cause: "signal-requested" }),
  exited({ cause: "unknown" }),
  ...(["reboot", "keeper-died", "namespace-gone", "record-damaged"] as const).map(
    (reason): ProcessState => ({
      kind: "lost",
      worker: reason === "reboot" ? null : worker,
      loss: { reason, message: "why", endTimeMs: 9 },
    }),
  ),
];

const SPEC = specOf({
  target: exec(["a", "", "é\n\u0001", "\ud83d\ude00"]),
  env: { A: "1", constructor: "2", "": "3" },
  runAs: "worker",
  cpus: { kind: "explicit", cpus: [0, 9] },
  rlimits: [
    { resource: "RLIMIT_AS", soft: HUGE, hard: null },
    { resource: "RLIMIT_CPU", soft: 0n, hard: 1n },
  ],
  onExit: "wait-tree",
  stderr: "null",
});

const FUNCTION_SPECS = (
  [
    { method: "forkserver", template: "app" },
    { method: "spawn", template: "python" },
    { method: "fork", process: "parent" },
  ] as const
).map((origin) =>
  specOf({
    target: {
      kind: "python",
      origin,
      function: "images:resize",
      arguments: { encoding: "pickle", bytes: 7, digest: "ab" },
      resultEncoding: "json",
      modulePath: ["/app"],
      mainFile: origin.method === "fork" ? null : "/app/main.py",
    },
    workingDir: null,
    treeLimits: { ...NO_LIMITS, memoryMaxBytes: 2 ** 40, cpuMaxMilli: 500, bestEffort: true },
  }),
);

const TIMINGS = {
  admissionUs: 1,
  pendingUs: 2,
  hopUs: 3,
  forkUs: 4,
  specialiseUs: 5,
  firstLineUs: 6,
  totalUs: 21,
};

function numbered(n: number, patch: Partial<ProcessRecord> = {}): ProcessRecord {
  const state = STATES[n % STATES.length] ?? assert.fail("no state");
  return recordOf(state, { uid: uidOf(n + 1), name: `n-${n}`, revision: n + 1, ...patch });
}

describe("processes in the journal", () => {
  const own = ownStore((store) => new KeptProcesses(store));

  function recovered(): Promise<ReturnType<KeptProcesses["recover"]>> {
    return own.within((kept) => kept.recover());
  }

  it("are nothing at first", async () => {
    assert.deepEqual(await recovered(), {
      records: [],
      counters: { revision: 0, created: 0 },
      suspects: new Set(),
      expiredNames: [],
      unreadable: [],
    });
  });

  it("come back as they were, in every state", async () => {
    const records = STATES.map((_state, index) =>
      numbered(index, {
        spec: index % 2 === 0 ? SPEC : specOf({ cpus: { kind: "none" } }),
        labels: { a: "1", "b/c": "" },
        requestId: index % 2 === 0 ? "request" : null,
        placement: index % 2 === 0 ? [0, 9] : null,
        createTimeMs: 1_700_000_000_000.25,
      }),
    );
    const counters = { revision: 100, created: 50 };
    await own.within(async (kept) => {
      for (const record of records) await kept.save(record, counters);
    });
    const found = await recovered();
    assert.deepEqual(found.records, records);
    assert.deepEqual(found.counters, counters);
    assert.deepEqual([found.unreadable, found.suspects.size], [[], 0]);
  });

  it("come back with what they call and how they were born", async () => {
    const records = FUNCTION_SPECS.map((spec, index) =>
      numbered(index, {
        spec,
        birth: {
          method: "forkserver",
          generation: 3,
          warm: index === 0,
          timings: index === 0 ? TIMINGS : null,
          unenforced: ["pids_max"],
        },
        servesForks: index === 1,
      }),
    );
    await own.within(async (kept) => {
      for (const record of records) await kept.save(record, { revision: 9, created: 9 });
    });
    const found = await recovered();
    assert.deepEqual(found.records, records);
    assert.deepEqual(found.unreadable, []);
  });

  it("are read as an earlier release wrote them, when there were programs alone", async () => {
    const record = numbered(2, { spec: SPEC });
    const { birth: _birth, servesForks: _serves, spec, ...older } = record;
    const { target: _target, treeLimits: _limits, ...rest } = spec;
    const program = { path: "/bin/tool", argv: ["tool", "-x"] };
    await own.within(async (_kept, store) => {
      const text = encoded({ ...older, spec: { ...program, ...rest } });
      await store.put("process/1", Buffer.from(text));
    });
    const { records, unreadable } = await recovered();
    assert.deepEqual(unreadable, []);
    assert.deepEqual(records, [
      {
        ...record,
        spec: { ...SPEC, target: exec(["tool", "-x"], "/bin/tool") },
        birth: { method: "spawn", generation: 0, warm: false, timings: null, unenforced: [] },
        servesForks: false,
      },
    ]);
  });

  it("are kept in their last version, and not when they were removed", async () => {
    await own.within(async (kept) => {
      await kept.save(numbered(0), { revision: 1, created: 1 });
      await kept.save(numbered(1), { revision: 2, created: 2 });
      await kept.save({ ...numbered(0), name: "last" }, { revision: 3, created: 2 });
      await kept.remove(numbered(1), null);
    });
    const { records, counters, expiredNames } = await recovered();
    assert.deepEqual(
      records.map(({ name }) => name),
      ["last"],
    );
    assert.deepEqual(counters, { revision: 3, created: 2 });
    assert.deepEqual(expiredNames, []);
  });

  it("leave the names of those that expired, in that order, but for those forgotten", async () => {
    await own.within(async (kept) => {
      const names = ["c", "a", "b", "é/ü", "d"];
      for (const [index, added] of names.entries()) {
        await kept.remove(numbered(index), { added, forgotten: added === "d" ? "c" : null });
      }
    });
    assert.deepEqual((await recovered()).expiredNames, ["a", "b", "é/ü", "d"]);
    await own.within((kept) => kept.remove(numbered(9), { added: "a", forgotten: null }));
    assert.deepEqual((await recovered()).expiredNames, ["b", "é/ü", "d", "a"]);
  });

  it("are there but for an entry that cannot be read, which is reported and left", async () => {
    const bad: Readonly<Record<string, unknown>> = {
      "process/1": "{",
      "process/2": JSON.stringify({ name: "x" }),
      "process/3": encoded(numbered(0)).replace('"kind":"starting"', '"kind":"sleeping"'),
      "process/4": encoded(numbered(0)).replace('"pidNamespace":"1"', '"pidNamespace":"-1"'),
      "process/5": encoded(numbered(0)).replace(uidOf(1), "no uid"),
      "expired/x": "[]",
    };
    await own.within(async (kept, store) => {
      await kept.save(numbered(2), { revision: 7, created: 3 });
      for (const [key, text] of Object.entries(bad))
        await store.put(key, Buffer.from(String(text)));
      await store.put("a later one/x", Buffer.from("?"));
    });
    for (let round = 0; round < 2; round++) {
      const { records, unreadable, expiredNames, counters } = await recovered();
      assert.deepEqual(records, [numbered(2)]);
      assert.deepEqual(unreadable.map(({ key }) => key).sort(), Object.keys(bad).sort());
      for (const { error } of unreadable) assert.ok(error instanceof Error);
      assert.deepEqual(expiredNames, []);
      assert.deepEqual(counters, { revision: 7, created: 3 });
    }
  });

  it("say how far the counters had come when those are damaged", async () => {
    await own.within(async (kept, store) => {
      await kept.save(numbered(41), { revision: 50, created: 60 });
      await store.put("counters", Buffer.from("?"));
    });
    const { counters, unreadable } = await recovered();
    assert.deepEqual(counters, { revision: 42, created: 0 });
    assert.deepEqual(
      unreadable.map(({ key }) => key),
      ["counters"],
    );
  });

  it("are suspects when what followed was damaged", async () => {
    await own.within((kept) => kept.save(numbered(2), { revision: 1, created: 1 }));
    await own.within((kept) => kept.save(numbered(3), { revision: 2, created: 2 }));
    await own.within((kept) => kept.save(numbered(4), { revision: 3, created: 3 }));
    const path = await segmentWith(own.directory, numbered(3).uid);
    const bytes = await readFile(path);
    const at = bytes.indexOf(numbered(3).uid);
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    await writeFile(path, bytes);
    const { records, suspects } = await recovered();
    const found = records.map(({ uid }) => uid);
    assert.ok(found.includes(numbered(2).uid));
    assert.ok(!found.includes(numbered(3).uid));
    assert.deepEqual([...suspects], [numbered(2).uid]);
  });
});

function encoded(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === "bigint" ? String(part) : part,
  );
}

async function segmentWith(directory: string, text: string): Promise<string> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name);
    if (name.startsWith("segment-") && (await readFile(path)).includes(text)) return path;
  }
  return assert.fail(`${text} is in no segment`);
}
