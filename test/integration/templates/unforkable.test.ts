import assert from "node:assert/strict";
import { CheckOutcome } from "../../../proto/gen/forkbus/v1/admin.js";
import { type Client, connect } from "../../../client/typescript/index.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { FunctionFiles } from "./support/function-files.js";

/** What a Node is like for which there is no addon, and one whose forks do not work. */
const FILES = {
  "unknown.cjs":
    "Object.defineProperty(process, 'versions', { value: { ...process.versions, modules: '1' } })",
  "broken.cjs": "globalThis.fetch = async () => { throw new Error('no fetch') }",
  "state.mjs": `
    let state = 0;
    export const set = (value) => { state = value; };
    export const get = (value) => [state, value];
  `,
};

describe("a template whose Node cannot be forked", function () {
  this.timeout(60_000);
  let daemon: DaemonHarness;
  let bus: Client;
  let files: FunctionFiles;

  before(async () => {
    files = await FunctionFiles.write(FILES);
    daemon = await DaemonHarness.start();
    bus = await connect(daemon.address);
  });

  after(async () => {
    bus.close();
    await daemon[Symbol.asyncDispose]();
    await files[Symbol.asyncDispose]();
  });

  for (const [name, why] of [
    ["unknown", /^Node \d.* cannot be forked: There is no forkbus-zygote-1\.node /],
    ["broken", /^a forked process ended with code 1 in the self-test$/],
  ] as const) {
    it(`is ready, spawns what is asked of it, and says so everywhere: ${name}`, async () => {
      const template = await bus.templates.create({
        name,
        runtime: "node",
        preload: [files.file(`${name}.cjs`)],
        init: { function: `${files.file("state.mjs")}#set`, args: [7] },
        warmWorkers: 1,
      });
      await template.ready();
      assert.match(template.spawnFallback ?? "", why);
      assert.equal(template.warmWorkers, 0);
      const target = { node: `${files.file("state.mjs")}#get`, template: name };
      const workers = await Promise.all(
        [1, 2].map((each) => bus.spawn({ ...target, args: [each] })),
      );
      for (const [index, worker] of workers.entries()) {
        assert.deepEqual(await worker.result(), [7, index + 1], "it has what init has made");
        assert.equal(worker.startMethod, "spawn");
      }
      const { checks } = await daemon.admin.diagnose({});
      const check = checks.find((each) => each.name === `fork.${name}`);
      assert.equal(check?.outcome, CheckOutcome.WARNING);
      assert.match(check.message, why);
      assert.match(daemon.log, new RegExp(`template cannot be forked here.*"template":"${name}"`));
    });
  }
});
