import assert from "node:assert/strict";
import type { ProcessUid } from "../../../server/core/ids.js";
import { uidOf } from "../processes/fixture.js";
import { CANNOT, createOf, SIGKILLED, TemplateFixture, templateSpecOf } from "./fixture.js";

describe("templates whose newest generation fails", () => {
  let fixture: TemplateFixture;

  beforeEach(() => {
    fixture = new TemplateFixture();
    fixture.connect();
  });

  afterEach(async () => {
    await fixture[Symbol.asyncDispose]();
  });

  it("serve on in their former generation after a restart, when the newest fails", async () => {
    await fixture.make("app", { env: { COLOUR: "red" }, warmWorkers: 1 });
    const former = fixture.zygoteOf("app");
    const { templates } = fixture.templates;
    const broken = templateSpecOf({ env: { COLOUR: "blue" }, preload: ["broken"] });
    await templates.update("app", broken);
    const failLoading = async (): Promise<void> => {
      await fixture.calm();
      const loading = fixture.stateOf("app").loading?.uid ?? assert.fail("nothing loads");
      fixture.keeper.bear(loading);
      fixture.keeper.end(loading, SIGKILLED);
      await fixture.calm();
    };
    await failLoading();
    for (let restart = 0; restart < 2; restart++) {
      fixture.keeper.disconnect();
      await fixture[Symbol.asyncDispose]();
      fixture = new TemplateFixture(fixture);
      fixture.connect();
      await fixture.calm();
      assert.equal(fixture.zygoteOf("app"), former);
      await fixture.clock.advance(0);
      await failLoading();
      assert.equal(fixture.zygoteOf("app"), former);
      assert.equal(fixture.stateOf("app").failure?.generation, 2);
    }
    const created = fixture.system.processes.create(createOf("app", { name: "one" }));
    await fixture.thrive(2);
    assert.equal((await created).birth.generation, 1);
    // Its death is no reason to give up what has served.
    fixture.keeper.end(former, SIGKILLED);
    await fixture.calm();
    await fixture.clock.advance(0);
    await fixture.thrive(3);
    assert.equal(fixture.stateOf("app").serving?.generation, 1);
    const order = fixture.keeper.slots.get(fixture.zygoteOf("app"))?.order;
    assert.ok(order?.kind === "spawn");
    assert.equal(order.env["COLOUR"], "red");
  });

  it("spawn from the generation that they say, when a newer one has failed", async () => {
    await fixture.make("app", { runtime: "node" });
    const { templates } = fixture.templates;
    const change = async (env: Readonly<Record<string, string>>): Promise<ProcessUid> => {
      await templates.update("app", templateSpecOf({ runtime: "node", env }));
      await fixture.calm();
      const { uid } = fixture.stateOf("app").loading ?? assert.fail("nothing loads");
      fixture.keeper.bear(uid);
      return uid;
    };
    fixture.ready(await change({ COLOUR: "red" }), CANNOT);
    await fixture.calm();
    fixture.keeper.end(await change({ COLOUR: "blue" }), SIGKILLED);
    await fixture.calm();
    assert.equal(fixture.stateOf("app").failure?.generation, 3);
    const created = fixture.system.processes.create(createOf("app", { name: "one" }, "node"));
    await fixture.calm();
    const [worker] = fixture.workers("starting");
    const order = fixture.keeper.slots.get(worker ?? uidOf(0))?.order;
    assert.ok(order?.kind === "spawn");
    assert.equal(order.env["COLOUR"], "red");
    await fixture.thrive(1);
    assert.equal((await created).birth.generation, 2);
  });
});
