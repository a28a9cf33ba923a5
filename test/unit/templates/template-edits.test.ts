import assert from "node:assert/strict";
import { deferred } from "../../../server/core/deferred.js";
import { DomainError } from "../../../server/core/errors.js";
import type { TemplateRecord } from "../../../server/templates/template-record.js";
import type { TemplateSpec } from "../../../server/templates/template-spec.js";
import type { CreateTemplateOrder } from "../../../server/templates/template-edits.js";
import { settled } from "../processes/fixture.js";
import { SIGKILLED, TemplateFixture, templateSpecOf } from "./fixture.js";

const KIB = 1024;

function orderOf(name: string, patch: Partial<CreateTemplateOrder> = {}): CreateTemplateOrder {
  const spec = templateSpecOf();
  return { name, owner: "uid:1", labels: {}, spec, requestId: null, ...patch };
}

function code(expected: string): (error: unknown) => boolean {
  return (error) => error instanceof Error && "code" in error && error.code === expected;
}

describe("changes of templates", () => {
  let fixture: TemplateFixture;

  beforeEach(() => {
    fixture = new TemplateFixture();
    fixture.connect();
  });

  afterEach(async () => {
    await fixture[Symbol.asyncDispose]();
  });

  /** From now on what is to be kept waits, until this is resolved. */
  function slowDisk() {
    const { templateStore } = fixture;
    const ready = deferred();
    const save = templateStore.save.bind(templateStore);
    templateStore.save = async (record) => {
      await ready.promise;
      return save(record);
    };
    return ready;
  }

  function kept(name: string): TemplateRecord | undefined {
    return fixture.templateStore.records.get(name);
  }

  it("are answered when they are kept, also to whoever asks for the same again meanwhile", async () => {
    const { templates } = fixture.templates;
    const disk = slowDisk();
    const order = orderOf("app", { requestId: "one" });
    const answers: unknown[] = [];
    const creates = [order, order].map(async (each) => {
      const { record } = await templates.create(each);
      assert.equal(kept("app")?.uid, record.uid, "it was answered, and a crash would lose it");
      answers.push(record.uid);
    });
    await settled();
    assert.deepEqual(answers, []);
    assert.throws(() => templates.get("app"), code("template-not-found"), "nobody sees it yet");
    disk.resolve();
    await Promise.all(creates);
    assert.deepEqual(answers, [kept("app")?.uid, kept("app")?.uid]);
  });

  it("are tried by whoever asks for the same again when the first has failed", async () => {
    const { templates } = fixture.templates;
    const order = orderOf("app", { requestId: "one" });
    const { templateStore } = fixture;
    const save = templateStore.save.bind(templateStore);
    templateStore.save = () => {
      templateStore.save = save;
      return Promise.reject(new DomainError("disk-full", "No space left"));
    };
    const first = assert.rejects(templates.create(order), code("disk-full"));
    const second = templates.create(order);
    await first;
    assert.equal((await second).record.uid, kept("app")?.uid);
  });

  it("keep a template from being based on one that is being deleted", async () => {
    const { templates } = fixture.templates;
    await templates.create(orderOf("app"));
    const deleted = templates.delete("app");
    const child = templates.create(orderOf("child", { spec: templateSpecOf({ parent: "app" }) }));
    await assert.rejects(child, code("template-not-found"));
    await fixture.thrive(1);
    await deleted;
  });

  it("never make templates that are based on each other", async () => {
    const { templates } = fixture.templates;
    await templates.create(orderOf("a"));
    await templates.create(orderOf("b"));
    const both = [
      templates.update("a", templateSpecOf({ parent: "b" })),
      templates.update("b", templateSpecOf({ parent: "a" })),
    ];
    const outcomes = await Promise.allSettled(both);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ["fulfilled", "rejected"],
    );
    assert.deepEqual([kept("a")?.spec.parent, kept("b")?.spec.parent], ["b", null]);
  });

  it("are kept though the zygote dies meanwhile", async () => {
    const { templates } = fixture.templates;
    await templates.create(orderOf("app"));
    await fixture.thrive(2);
    const disk = slowDisk();
    const updated = templates.update("app", templateSpecOf({ env: { NEW: "1" } }));
    await settled();
    // Its death is kept too, and later than the new spec.
    fixture.keeper.end(fixture.zygotes("alive", "app")[0] ?? assert.fail("no zygote"), SIGKILLED);
    await settled();
    disk.resolve();
    const { record } = await updated;
    assert.deepEqual(record.spec.env, { NEW: "1" });
    assert.deepEqual(kept("app")?.spec.env, { NEW: "1" }, "a crash would lose the update");
    await fixture.thrive(2);
    assert.equal(templates.get("app").state.serving?.generation, 2);
  });

  it("count a revision for each, which what is kept has too", async () => {
    const { templates } = fixture.templates;
    const { record } = await templates.create(orderOf("app"));
    const created = record.revision;
    await fixture.calm();
    assert.ok((kept("app")?.revision ?? 0) >= created, "after a restart it would go back");
    const updated = (await templates.update("app", templateSpecOf({ env: { A: "1" } }))).record;
    assert.ok(updated.revision > created);
    await fixture.thrive(1);
    assert.ok((kept("app")?.revision ?? 0) >= updated.revision);
  });

  it("take no look at arguments of megabytes to tell whether specs are the same", async () => {
    const { templates } = fixture.templates;
    const data = new Uint8Array(2 * KIB * KIB);
    const init = {
      function: "app:warm_up",
      arguments: { encoding: "raw", bytes: data.length, digest: "0" },
      resultEncoding: "json",
      data,
    };
    const order = orderOf("app", { requestId: "one", spec: templateSpecOf({ init }) });
    await templates.create(order);
    const begun = performance.now();
    await templates.create(order);
    await templates.update("app", order.spec);
    assert.ok(performance.now() - begun < 200, "calls of others waited for it");
    assert.equal(templates.get("app").state.newest, 1);
    const other = { ...init, arguments: { ...init.arguments, digest: "1" } };
    await templates.update("app", { ...order.spec, init: other });
    assert.equal(templates.get("app").state.newest, 2);
  });
});

describe("the room for templates", () => {
  const bulky = (bytes: number): TemplateSpec => templateSpecOf({ env: { A: "x".repeat(bytes) } });

  it("is for so many, and a name that is deleted is free again", async () => {
    await using fixture = new TemplateFixture(undefined, { maxTemplates: 4 });
    fixture.connect();
    const { templates } = fixture.templates;
    const first = orderOf("a", { requestId: "one" });
    const { uid } = (await templates.create(first)).record;
    await templates.create(orderOf("b"));
    await assert.rejects(templates.create(orderOf("c")), code("host-exhausted"));
    assert.equal(
      (await templates.create(first)).record.uid,
      uid,
      "a repeated create needs no room",
    );
    await templates.update("b", bulky(10));
    const deleted = templates.delete("a");
    await fixture.thrive(1);
    await deleted;
    await templates.create(orderOf("c"));
  });

  it("is for so many bytes of specs, whether they are new or changed", async () => {
    await using fixture = new TemplateFixture(undefined, { maxSpecBytes: 100 * KIB });
    fixture.connect();
    const { templates } = fixture.templates;
    await templates.create(orderOf("a", { spec: bulky(60 * KIB) }));
    const large = orderOf("b", { spec: bulky(60 * KIB) });
    await assert.rejects(templates.create(large), code("host-exhausted"));
    await templates.create(orderOf("b", { spec: bulky(10 * KIB) }));
    await assert.rejects(templates.update("b", bulky(60 * KIB)), code("host-exhausted"));
    assert.equal(templates.get("b").state.newest, 1);
    await templates.update("a", bulky(20 * KIB));
    await templates.update("b", bulky(60 * KIB));
    const deleted = templates.delete("b");
    await fixture.thrive(2);
    await deleted;
    await templates.create(large);
  });

  it("is for specs of at most 3 MiB", async () => {
    await using fixture = new TemplateFixture();
    const { templates } = fixture.templates;
    const modulePath = Array.from({ length: 64 }, () => `/${"x".repeat(4000)}`);
    const data = new Uint8Array(2 * KIB * KIB);
    const init = {
      function: "app:warm_up",
      arguments: { encoding: "raw", bytes: data.length, digest: "0" },
      resultEncoding: "json",
      data,
    };
    const spec = templateSpecOf({ init, modulePath, env: { A: "x".repeat(1020 * KIB) } });
    await assert.rejects(templates.create(orderOf("a", { spec })), code("payload-too-large"));
    await templates.create(orderOf("a", { spec: { ...spec, modulePath: [] } }));
  });

  it("is for so many bytes that wait to be kept", async () => {
    await using fixture = new TemplateFixture();
    const { templateStore } = fixture;
    const { templates } = fixture.templates;
    const disk = deferred();
    const save = templateStore.save.bind(templateStore);
    templateStore.save = (record) => disk.promise.then(() => save(record));
    const creates = Array.from({ length: 70 }, (_, index) =>
      templates.create(orderOf(`n${index}`, { spec: bulky(1000 * KIB) })),
    );
    const outcomes = Promise.allSettled(creates);
    disk.resolve();
    const refused = (await outcomes).filter(({ status }) => status === "rejected");
    assert.ok(refused.length > 0 && refused.length < 10, `${refused.length} were refused`);
    const late = templates.create(orderOf("late"));
    assert.equal((await late).record.name, "late");
  });

  it("lists what is large in pages of few", async () => {
    await using fixture = new TemplateFixture();
    const { templates } = fixture.templates;
    const names = Array.from({ length: 6 }, (_, index) => `n${index}`);
    for (const name of names) {
      await templates.create(orderOf(name, { spec: bulky(300 * KIB), labels: { a: name } }));
    }
    const all = { namePrefix: "n", labels: {} };
    const seen: string[] = [];
    for (let after: string | null = ""; after !== null;) {
      const page = templates.list(all, after, 1000);
      const large = page.items.filter(({ record }) => !record.builtIn).length;
      assert.ok(large <= 2, `${large} of 300 KiB on one page`);
      seen.push(...page.items.map(({ record }) => record.name));
      after = page.lastName;
    }
    assert.deepEqual(seen, [...names, "node"].sort());
    const labelled = templates.list({ namePrefix: "", labels: { a: "n3" } }, "", 1000);
    assert.deepEqual(
      labelled.items.map(({ record }) => record.name),
      ["n3"],
    );
  });
});
