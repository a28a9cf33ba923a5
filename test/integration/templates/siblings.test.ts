import assert from "node:assert/strict";
import { type CallOptions, type Client } from "../../../client/typescript/index.js";
import { type DaemonHarness } from "../../support/daemon-harness.js";
import { eventually } from "../../support/eventually.js";
import { inFlight } from "../daemon/support/in-flight.js";
import { childrenOf, descriptorCount, zombiesOf } from "../daemon/support/proc-fs.js";
import { seeded } from "../daemon/support/seeded.js";
import { type FunctionFiles } from "./support/function-files.js";
import { sharedWorkshop } from "./support/workshop.js";

const isSoak = process.env["FORKBUS_SOAK"] !== undefined;
const SIBLINGS = isSoak ? 1000 : 200;
const FORKS = isSoak ? 5000 : 500;

const PYTHON = `
import os, random, tempfile, uuid
random.random()
uuid.uuid4()
tempfile.mktemp()
def chances():
    return [random.random(), str(uuid.uuid4()), tempfile.mktemp(), os.urandom(8).hex(), str(uuid.uuid1())]
def end(code):
    if code < 0:
        os.kill(os.getpid(), -code)
    os._exit(code)
`;

const NODE = `
import { mkdtempSync, rmdirSync } from "node:fs";
import { randomBytes, randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
Math.random();
randomUUID();
crypto.randomUUID();
export function chances() {
  const made = mkdtempSync(join(tmpdir(), "forkbus-sibling-"));
  rmdirSync(made);
  return [Math.random(), randomUUID(), crypto.randomUUID(), randomBytes(8).toString("hex"), made];
}
export function end(code) {
  if (code < 0) process.kill(process.pid, -code);
  else process.exit(code);
  for (;;);
}
`;

const SIGNALS = [-9, -15, -6, -1, -12];

describe("siblings", function () {
  this.timeout(isSoak ? 1_200_000 : 120_000);
  let daemon: DaemonHarness;
  let bus: Client;
  let files: FunctionFiles;
  sharedWorkshop({ "chance.py": PYTHON, "chance.mjs": NODE }, (shop) => {
    ({ daemon, bus, files } = shop);
  });

  for (const runtime of ["python", "node"] as const) {
    const call = (name: string, args: readonly unknown[] = []): CallOptions => {
      const options = { args, modulePath: [files.path], template: `${runtime}/t` };
      return runtime === "python"
        ? { python: `chance:${name}`, ...options }
        : { node: `./chance.mjs#${name}`, ...options };
    };

    describe(`in ${runtime}`, () => {
      before(async () => {
        const preload = [runtime === "python" ? "chance" : files.file("chance.mjs")];
        const modulePath = [files.path];
        const name = `${runtime}/t`;
        await (await bus.templates.create({ name, runtime, preload, modulePath })).ready();
      });

      it("have random numbers, ids and names of their own", async () => {
        const seen: Set<unknown>[] = Array.from({ length: 5 }, () => new Set());
        await inFlight(16, Array.from({ length: SIBLINGS }).keys(), async () => {
          const values = await bus.call(call("chances"));
          assert.ok(Array.isArray(values) && values.length === seen.length);
          for (const [index, value] of values.entries()) seen[index]?.add(value);
        });
        assert.deepEqual(
          seen.map(({ size }) => size),
          seen.map(() => SIBLINGS),
        );
      });

      it("end in each way with their true status, and leave nothing behind", async () => {
        const random = seeded(`ends of siblings in ${runtime}`);
        const wrong: string[] = [];
        const run = (count: number) =>
          inFlight(24, Array.from({ length: count }).keys(), async () => {
            const chance = random();
            const code =
              chance < 0.3
                ? (SIGNALS[Math.floor(random() * SIGNALS.length)] ?? -9)
                : Math.floor(random() * 256);
            const exit = await (await bus.spawn(call("end", [code]))).exited;
            const said =
              exit.kind === "exited" ? exit.code : exit.kind === "signaled" ? -exit.signal : NaN;
            if (said !== code) wrong.push(`${code} became ${JSON.stringify(exit)}`);
          });
        const template = await bus.templates.get(`${runtime}/t`);
        const keeper = daemon.keeperPid ?? 0;
        const pids = [daemon.pid, keeper, template.report?.pid ?? 0];
        const settled = () =>
          eventually(
            () => zombiesOf(keeper).length,
            (zombies) => zombies === 0,
            { what: "no zombies" },
          );
        await run(FORKS / 10);
        await settled();
        const before = pids.map(descriptorCount);
        const children = childrenOf(keeper).length;
        await run(FORKS);
        assert.deepEqual(wrong, []);
        await settled();
        await eventually(
          () => pids.map(descriptorCount),
          (after) => after.every((count, index) => count <= (before[index] ?? 0)),
          { what: `no more descriptors than ${before.join()}` },
        );
        assert.equal(childrenOf(keeper).length, children);
      });
    });
  }
});
