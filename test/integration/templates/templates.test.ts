import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { Runtime } from "../../../proto/gen/forkbus/v1/types.js";
import { type Client, connect, type Template } from "../../../client/typescript/index.js";
import { type DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { childrenOf } from "../daemon/support/proc-fs.js";
import { type FunctionFiles } from "./support/function-files.js";
import { HUES } from "./support/hues.js";
import { sharedWorkshop } from "./support/workshop.js";

const MIB = 1024 * 1024;

describe("templates of a daemon", function () {
  this.timeout(60_000);
  let daemon: DaemonHarness;
  let bus: Client;
  let files: FunctionFiles;
  sharedWorkshop(HUES, (shop) => {
    ({ daemon, bus, files } = shop);
  });

  async function listed(namePrefix: string): Promise<readonly Template[]> {
    const found: Template[] = [];
    for await (const template of bus.templates.list({ namePrefix, pageSize: 1000 }))
      found.push(template);
    return found;
  }

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

  for (const runtime of ["python", "node"] as const) {
    const [begin, colour] =
      runtime === "python"
        ? ["hues:begin", { python: "hues:colour" } as const]
        : ["./hues.mjs#begin", { node: "./hues.mjs#colour" } as const];
    it(`give back what their init is called with, so that a spec can be read, changed and sent: ${runtime}`, async () => {
      const { templates } = bus;
      const name = `read/${runtime}`;
      const modulePath = [files.path];
      const init = { function: begin, args: ["teal"] };
      await templates.ensure({ name, runtime, init, modulePath });
      for (const read of [await templates.get(name), ...(await listed(name))]) {
        const { spec } = read.latest;
        assert.ok(spec !== undefined);
        const changed = { ...spec, env: { ...spec.env, SIZE: String(read.newestGeneration) } };
        await templates.service.updateTemplate({ name, spec: changed });
        const template = await (await templates.get(name)).ready();
        assert.equal(template.servingGeneration, read.newestGeneration + 1);
        assert.equal(await bus.call({ ...colour, template, modulePath }), "teal");
        // What was read, unchanged, is the same spec.
        await templates.service.updateTemplate({ name, spec: template.latest.spec });
        assert.equal((await template.refresh()).newestGeneration, read.newestGeneration + 1);
      }
      await templates.delete(name);
    });
  }

  it("can have an init with two MiB of arguments and an environment of nearly one, and give them back", async () => {
    const { templates } = bus;
    const data = Buffer.alloc(2 * MIB, "x");
    const env = Object.fromEntries(
      Array.from({ length: 9 }, (_, index) => [`V${index}`, "x".repeat(100_000)]),
    );
    const init = { function: "hues:weigh", payload: { encoding: "raw", data } };
    const spec = { env, init, modulePath: [files.path] };
    const template = await templates.ensure({ name: "largest", runtime: "python", ...spec });
    assert.deepEqual(template.latest.spec?.init?.arguments?.data, data);
    const size = await bus.call({ python: "hues:colour", template, modulePath: [files.path] });
    assert.equal(size, String(data.length));
    await daemon.crash();
    const after = await connect(daemon.address);
    const kept = await (await after.templates.get("largest")).ready();
    assert.deepEqual(kept.latest.spec?.init?.arguments?.data, data);
    await kept.delete();
    after.close();
  });

  it("are listed in pages that a client can take, however large they are", async () => {
    const { templates } = bus;
    const data = Buffer.alloc(MIB, "x");
    const init = { function: "hues:weigh", payload: { encoding: "raw", data } };
    const names = Array.from({ length: 6 }, (_, index) => `large/${index}`);
    await Promise.all(
      names.map((name) =>
        templates.create({ name, runtime: "python", init, modulePath: [files.path] }),
      ),
    );
    assert.deepEqual(
      (await listed("large/")).map(({ name }) => name),
      names,
    );
    await Promise.all(names.map((name) => templates.delete(name)));
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
