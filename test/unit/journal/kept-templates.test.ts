import assert from "node:assert/strict";
import { KeptProcesses } from "../../../server/journal/kept-processes.js";
import { KeptTemplates } from "../../../server/journal/kept-templates.js";
import type { TemplateRecord } from "../../../server/templates/template-record.js";
import { uidOf } from "../processes/fixture.js";
import { templateSpecOf } from "../templates/fixture.js";
import { ownStore } from "./own-store.js";

function recordOf(patch: Partial<TemplateRecord> = {}): TemplateRecord {
  return {
    uid: uidOf(1),
    name: "app",
    builtIn: false,
    owner: "uid:1",
    labels: { team: "a" },
    spec: templateSpecOf(),
    requestId: null,
    createTimeMs: 1_700_000_000_000.5,
    revision: 3,
    generation: 2,
    former: null,
    zygotes: [{ uid: uidOf(7), generation: 2 }],
    deleted: false,
    ...patch,
  };
}

const FULL = templateSpecOf({
  runtime: "node",
  interpreter: "/opt/node",
  parent: "base",
  preload: ["a", "b"],
  env: { A: "é", constructor: "x" },
  workingDir: "/app",
  runAs: "ada",
  preloadTimeoutMs: 5,
  warmWorkers: 4,
  modulePath: ["/app"],
  keepFds: ["socket:*"],
});

describe("templates in the journal", () => {
  const own = ownStore((store) => new KeptTemplates(store));

  it("come back as they were, with the arguments of their init", async () => {
    const init = (bytes: readonly number[]): TemplateRecord["spec"]["init"] => ({
      function: "app:warm",
      arguments: { encoding: "raw", bytes: bytes.length, digest: "d" },
      resultEncoding: "json",
      data: new Uint8Array(bytes),
    });
    const records = [
      recordOf({ name: "one", spec: FULL, requestId: "r" }),
      recordOf({ name: "two/ü", spec: templateSpecOf({ init: init([]) }), zygotes: [] }),
      recordOf({
        name: "three",
        spec: templateSpecOf({ init: init([0, 255, 10]) }),
        deleted: true,
      }),
      recordOf({ name: "four", former: { generation: 1, spec: FULL } }),
      recordOf({
        name: "five",
        former: { generation: 1, spec: templateSpecOf({ init: init([7]) }) },
      }),
    ];
    await own.within(async (kept) => {
      for (const record of records) await kept.save(record);
    });
    const found = await own.within((kept) => kept.recover());
    const byName = (a: TemplateRecord, b: TemplateRecord): number => (a.name < b.name ? -1 : 1);
    assert.deepEqual([...found.records].sort(byName), [...records].sort(byName));
    assert.deepEqual(found.unreadable, []);
  });

  it("are read as they were kept before they knew of a former generation", async () => {
    await own.within(async (_kept, store) => {
      const { former, ...record } = recordOf();
      assert.equal(former, null);
      await store.put("template/app", Buffer.from(JSON.stringify(record)));
    });
    assert.deepEqual(await own.within((kept) => kept.recover()), {
      records: [recordOf()],
      unreadable: [],
    });
  });

  it("are kept in their last version, and not when they were removed", async () => {
    await own.within(async (kept) => {
      await kept.save(recordOf());
      await kept.save(recordOf({ name: "gone" }));
      await kept.save(recordOf({ generation: 9 }));
      await kept.remove("gone");
    });
    const { records } = await own.within((kept) => kept.recover());
    assert.deepEqual(
      records.map(({ name, generation }) => [name, generation]),
      [["app", 9]],
    );
  });

  it("are no processes, and leave those alone", async () => {
    await own.within(async (kept, store) => {
      await kept.save(recordOf());
      const { records, unreadable } = new KeptProcesses(store).recover();
      assert.deepEqual([records, unreadable], [[], []]);
    });
  });

  it("are there but for one that cannot be read, which is reported", async () => {
    await own.within(async (kept, store) => {
      await kept.save(recordOf());
      await store.put("template/bad", Buffer.from("{"));
      await store.put(
        "template/worse",
        Buffer.from(JSON.stringify({ ...recordOf(), zygotes: [{}] })),
      );
    });
    const { records, unreadable } = await own.within((kept) => kept.recover());
    assert.deepEqual(records, [recordOf()]);
    assert.deepEqual(unreadable.map(({ key }) => key).sort(), ["template/bad", "template/worse"]);
  });
});
