import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { Runtime } from "../../../proto/gen/forkbus/v1/types.js";
import { type Client, connect } from "../../../client/typescript/index.js";
import { type DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { childrenOf } from "../daemon/support/proc-fs.js";
import { type FunctionFiles } from "./support/function-files.js";
import { HUES } from "./support/hues.js";
import { sharedWorkshop } from "./support/workshop.js";

describe("templates of a daemon", function () {
  this.timeout(60_000);
  let daemon: DaemonHarness;
  let bus: Client;
  let files: FunctionFiles;
  sharedWorkshop(HUES, (shop) => {
    ({ daemon, bus, files } = shop);
  });

  it("answer a repeated create with the same template, and no other", async () => {
    const { templates } = bus;
    const requestId = randomUUID();
    const spec = { runtime: Runtime.PYTHON, modulePath: [files.path], preload: ["hues"] };
    const template = { name: "repeated", spec };
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => templates.service.createTemplate({ template, requestId })),
    );
    assert.equal(new Set(answers.map((answer) => answer.template?.uid)).size, 1);
    await assert.rejects(
      templates.service.createTemplate({
        template: { ...template, spec: { ...spec, preload: [] } },
        requestId,
      }),
      /request_id/,
    );
    await assert.rejects(templates.service.createTemplate({ template }), /already/);
    await daemon.crash();
    const after = await connect(daemon.address);
    const repeated = await after.templates.service.createTemplate({ template, requestId });
    assert.equal(repeated.template?.uid, answers[0]?.template?.uid);
    await (await after.templates.get("repeated")).delete();
    after.close();
  });

  it("load twenty at once", async () => {
    const templates = await Promise.all(
      Array.from({ length: 20 }, (_, index) => {
        const runtime = index % 4 === 0 ? ("node" as const) : ("python" as const);
        const env = { COLOUR: String(index) };
        const preload = [runtime === "python" ? "hues" : files.file("hues.mjs")];
        const name = `many/${index}`;
        return bus.templates.create({ name, runtime, env, preload, modulePath: [files.path] });
      }),
    );
    const colours = await Promise.all(
      templates.map((template) =>
        template.runtime === "python"
          ? bus.call({ python: "hues:colour", template, modulePath: [files.path] })
          : bus.call({ node: "./hues.mjs#colour", template, modulePath: [files.path] }),
      ),
    );
    assert.deepEqual(
      colours,
      templates.map((_, index) => String(index)),
    );
    await Promise.all(templates.map((template) => template.delete()));
  });

  it("end a zygote that is deaf to signals while it loads", async () => {
    const template = await bus.templates.create({
      name: "deaf",
      runtime: "python",
      preload: ["hues"],
      modulePath: [files.path],
      env: { DEAF: "1", GATE: "/nowhere" },
    });
    const { keeperPid } = daemon;
    assert.ok(keeperPid !== undefined);
    await eventually(
      () => daemon.log,
      (log) => log.includes('"template":"deaf"'),
      { what: "its zygote to start" },
    );
    await template.delete();
    assert.equal(childrenOf(keeperPid).length, 0);
  });
});
