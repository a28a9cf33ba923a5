import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../server/kernel/package-root.js";
import { DaemonHarness } from "../support/daemon-harness.js";
import { oneLinerOf, recipeOf } from "./support/pages.js";
import { Preparations } from "./support/preparations.js";
import { runBlock } from "./support/shell-block.js";
import { skip } from "./support/skip.js";
import { LANGUAGES, type Language, whatIsMissing } from "./support/toolchains.js";

/** Where the one-liners find what their preparation installs, and where it goes. */
const bin = join(packageRoot, "dist/polyglot/bin");
const venv = join(packageRoot, "dist/polyglot/python");
const TOOLS = { GOBIN: bin, PATH: [bin, join(venv, "bin"), process.env["PATH"] ?? ""].join(":") };

/** Sections of the front page, and the folder of the language that each needs. */
const ONE_LINERS = { grpcurl: "go", Python: "python", Go: "go" };

const itemsOf = ({ signature }: Language): string[] =>
  ["hello", "goodbye"].map((word) => `${word} from ${signature}`);

const printedFor = (items: readonly string[]): string =>
  [...items.map((item) => `got ${item}`), "exit code 7", ""].join("\n");

describe("forkbus from other languages", function () {
  // Compilers, and downloads when the caches are empty.
  this.timeout(600_000);

  const missing = new Map<string, string>();
  const preparations = new Preparations();

  before(() => {
    for (const language of LANGUAGES) {
      const lack = whatIsMissing(language.needs);
      if (lack !== undefined) missing.set(language.folder, lack);
      // All at once, since much of the time goes by waiting for downloads.
      else preparations.start(language.folder, runBlock(recipeOf(language).build));
    }
    if (!missing.has("go")) {
      preparations.start("grpcurl", runBlock(oneLinerOf("grpcurl").prepare, TOOLS));
    }
  });

  it("has a recipe for each folder of examples/polyglot", () => {
    const entries = readdirSync(join(packageRoot, "examples/polyglot"), { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    assert.deepEqual(new Set(LANGUAGES.map(({ folder }) => folder)), new Set(folders));
    for (const language of LANGUAGES) assert.match(recipeOf(language).run, /hello/i);
  });

  for (const language of LANGUAGES) {
    it(`${language.folder}: puts, gets, starts a process and waits for it`, async function () {
      const lack = missing.get(language.folder);
      if (lack !== undefined) skip(this, language.folder, lack);
      await preparations.ready(language.folder);
      await using daemon = await DaemonHarness.start();
      const printed = await runBlock(recipeOf(language).run, { FORKBUS_ADDRESS: daemon.address });
      assert.equal(printed, printedFor(itemsOf(language)));

      const { queue } = await daemon.queues.getQueue({ name: "polyglot" });
      const { put, acked, ready } = queue?.status ?? {};
      assert.deepEqual({ put, acked, ready }, { put: 2n, acked: 2n, ready: 0n });
      const { processes } = await daemon.processes.listProcesses({});
      assert.deepEqual(
        processes.map(({ spec, status }) => [
          spec?.target?.$case === "exec" ? spec.target.value.argv : undefined,
          status?.exit?.outcome,
        ]),
        [[["/bin/sh", "-c", "exit 7"], { $case: "exitCode", value: 7 }]],
      );
    });
  }

  it("over TCP, lets each language get what another one has put", async function () {
    const relay = LANGUAGES.filter(({ folder }) => !missing.has(folder));
    if (relay.length < 2) skip(this, "the relay", "fewer than two languages are installed");
    await using daemon = await DaemonHarness.start({
      args: ["--listen", "tcp://127.0.0.1:0", "--insecure"],
    });
    // The programs have met a Unix socket already.
    const [authority] = /127\.0\.0\.1:\d+/.exec(daemon.log) ?? [];
    assert.ok(authority !== undefined, daemon.log);
    await daemon.queues.createQueue({ queue: { name: "relay" } });
    // Two items go ahead, so that every program gets those of the one before it.
    let ahead = ["first", "second"];
    const items = ahead.map((item) => Buffer.from(item));
    await daemon.queues.put({ queue: "relay", frame: { items } });
    for (const language of relay) {
      await preparations.ready(language.folder);
      const run = `${recipeOf(language).run.trimEnd()} relay`;
      const printed = await runBlock(run, { FORKBUS_ADDRESS: `tcp://${authority}` });
      assert.equal(printed, printedFor(ahead), language.folder);
      ahead = itemsOf(language);
    }
    const { frame } = await daemon.queues.get({ queue: "relay", maxItems: 2 });
    assert.deepEqual(
      frame?.items.map((item) => Buffer.from(item).toString()),
      ahead,
    );
  });

  for (const [heading, folder] of Object.entries(ONE_LINERS)) {
    it(`the README's lines for ${heading} print what it says`, async function () {
      const lack = missing.get(folder);
      if (lack !== undefined) skip(this, `the README's lines for ${heading}`, lack);
      const { prepare, run, prints } = oneLinerOf(heading);
      // Python's go into the virtual environment of the example, Go's into its module.
      await preparations.ready(folder);
      if (heading === "grpcurl") await preparations.ready(heading);
      else await runBlock(prepare, TOOLS);
      await using daemon = await DaemonHarness.start();
      await daemon.queues.createQueue({ queue: { name: "jobs" } });
      assert.equal(await runBlock(run, { ...TOOLS, FORKBUS_ADDRESS: daemon.address }), prints);
    });
  }
});
