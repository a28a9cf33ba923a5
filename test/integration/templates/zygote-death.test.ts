import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, connect, type ProcessOptions } from "../../../client/typescript/index.js";
import { DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { inFlight } from "../daemon/support/in-flight.js";
import { childrenOf } from "../daemon/support/proc-fs.js";
import { seeded } from "../daemon/support/seeded.js";

const CREATES = 200;
const AT_ONCE = 24;

const PYTHON = `
import os, time
def live(births, name, code, seconds):
    with open(births, "a") as file:
        file.write(name + "\\n")
    time.sleep(seconds)
    if code < 0:
        os.kill(os.getpid(), -code)
        time.sleep(60)
    os._exit(code)
`;

const NODE = `
import { appendFileSync } from "node:fs";
export function live(births, name, code, seconds) {
  appendFileSync(births, name + "\\n");
  setTimeout(() => {
    if (code < 0) process.kill(process.pid, -code);
    else process.exit(code);
  }, seconds * 1000);
}
`;

type Target = (name: string, args: readonly unknown[], directory: string) => ProcessOptions;

const languages: readonly { readonly language: string; readonly target: Target }[] = [
  {
    language: "python",
    target: (name, args, directory) => ({
      python: "lives:live",
      name,
      args,
      modulePath: [directory],
    }),
  },
  {
    language: "node",
    target: (name, args, directory) => ({
      node: "./lives.mjs#live",
      name,
      args,
      modulePath: [directory],
    }),
  },
];

/** False when it is gone already. */
function kill(pid: number): boolean {
  try {
    return process.kill(pid, "SIGKILL");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
    throw error;
  }
}

/** Exit codes, and with a minus signals. */
const ENDS = [0, 1, 7, 42, 255, -9, -15, -12] as const;

describe("a zygote that is killed", function () {
  this.timeout(180_000);
  let daemon: DaemonHarness;
  let bus: Client;
  let directory: string;

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "forkbus-lives-"));
    await writeFile(join(directory, "lives.py"), PYTHON);
    await writeFile(join(directory, "lives.mjs"), NODE);
    daemon = await DaemonHarness.start();
    bus = await connect(daemon.address);
  });

  after(async () => {
    bus.close();
    await daemon[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });

  for (const { language, target } of languages) {
    it(`at any instant, in ${language}, leaves every create with one worker and its true end`, async () => {
      const random = seeded(`kills of ${language}`);
      const births = join(directory, `births-${language}`);
      await writeFile(births, "");
      const template = await bus.templates.get(language);
      await template.ready();
      let done = 0;
      // One that is dead can be killed again before that is known.
      const killed = new Set<number>();
      const killer = (async () => {
        while (done < CREATES) {
          const seen = done;
          const { report } = await template.ready();
          if (report !== undefined && report.pid > 0 && kill(report.pid)) killed.add(report.pid);
          const pause = seen + 10 + Math.floor(random() * 20);
          await eventually(
            () => Promise.resolve(done),
            (count) => count >= Math.min(pause, CREATES),
            { what: "more workers", withinMs: 60_000 },
          );
        }
      })();
      const wrong: string[] = [];
      await inFlight(AT_ONCE, Array.from({ length: CREATES }).keys(), async (index) => {
        const code = ENDS[Math.floor(random() * ENDS.length)] ?? 0;
        const name = `${language}/life-${index}`;
        const args = [births, name, code, Math.round(random() * 50) / 1000];
        const worker = await bus.spawn(target(name, args, directory));
        const exit = await worker.exited;
        const said =
          exit.kind === "exited" ? exit.code : exit.kind === "signaled" ? -exit.signal : NaN;
        if (said !== code) wrong.push(`${name}: ${code} became ${JSON.stringify(exit)}`);
        done++;
      });
      await killer;
      assert.deepEqual(wrong, []);
      assert.ok(killed.size >= 5, `only ${killed.size} zygotes were killed`);
      const lines = (await readFile(births, "utf8")).trim().split("\n").sort();
      const names = Array.from({ length: CREATES }, (_, index) => `${language}/life-${index}`);
      assert.deepEqual(lines, names.sort());
      await eventually(
        async () => (await template.refresh()).zygoteRestarts,
        (restarts) => restarts === killed.size,
        { what: `${killed.size} deaths to be counted` },
      );
    });
  }

  it("leaves no process behind that nobody knows", async () => {
    const { keeperPid } = daemon;
    assert.ok(keeperPid !== undefined);
    await eventually(
      () => Promise.resolve(childrenOf(keeperPid)),
      (children) => children.length <= 4,
      { what: "only zygotes to be left, and a spare worker of each" },
    );
  });
});
