import assert from "node:assert/strict";
import { status } from "@grpc/grpc-js";
import { type DescMethod } from "@bufbuild/protobuf";
import { inFlight } from "../integration/daemon/support/in-flight.js";
import {
  childrenOf,
  descriptorCount,
  isAlive,
  rssBytes,
} from "../integration/daemon/support/proc-fs.js";
import { checkStillWorks } from "../integration/faults/still-works.js";
import { DaemonHarness } from "../support/daemon-harness.js";
import { eventually } from "../support/eventually.js";
import { nextCall } from "./support/call-plan.js";
import { Population } from "./support/population.js";
import { Random } from "./support/random.js";
import { type CallPlan, RawCaller } from "./support/raw-call.js";
import { pathOf, servedMethods } from "./support/served-methods.js";
import { faultOf } from "./support/verdict.js";

const isSoak = process.env["FORKBUS_SOAK"] !== undefined;
const CALLS = Number(process.env["FORKBUS_FUZZ_CALLS"] ?? (isSoak ? 10_000 : 300));
/** A failing run says it; with it the same requests are made again. */
const SEED = Number(process.env["FORKBUS_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
/** A part of the methods' paths, to look into one of them. */
const ONLY = process.env["FORKBUS_FUZZ_ONLY"] ?? "";
const CALLS_BETWEEN_RENEWALS = 150;
const CONCURRENT_CALLS = 32;
const CONNECTIONS = 4;
const MIB = 1024 * 1024;
const GROWTH_BYTES = 128 * MIB;

/**
 * What is free but not given back would pass for memory that is held. V8 gets little room for garbage, and the C library
 * maps what is large, so that it does not stay among small things for the next large one.
 */
const env = {
  NODE_OPTIONS: "--max-semi-space-size=1 --max-old-space-size=256",
  MALLOC_MMAP_THRESHOLD_: String(128 * 1024),
};
const args = ["--retained-processes", "200"];

describe("mutated requests", () => {
  let daemon: DaemonHarness;
  let population: Population;
  let caller: RawCaller;
  let first: { readonly pid: number; readonly keeperPid: number | undefined };
  let atStart: { readonly memory: number; readonly descriptors: number };
  let logged = 0;

  async function start(): Promise<void> {
    daemon = await DaemonHarness.start({ env, args });
    first = { pid: daemon.pid, keeperPid: daemon.keeperPid };
    population = new Population(daemon);
    await population.renew();
    await daemon.output("fuzz/ended-0");
    caller = new RawCaller(daemon.address, CONNECTIONS);
    atStart = {
      memory: rssBytes(daemon.pid),
      descriptors: descriptorCount(daemon.pid),
    };
    logged = 0;
  }
  async function end(): Promise<void> {
    caller[Symbol.dispose]();
    await daemon[Symbol.asyncDispose]();
  }

  before(start);
  after(end);

  /** Lines that only an operator should ever see, since the last time. */
  function newErrors(): readonly string[] {
    const log = daemon.log.slice(logged);
    logged += log.length;
    return log.split("\n").filter((line) => line !== "" && !isHarmlessLine(line));
  }

  async function fuzz(method: DescMethod): Promise<ReadonlyMap<string, number>> {
    const path = pathOf(method);
    const faults: string[] = [];
    const answers = new Map<string, number>();
    const one = async (index: number): Promise<void> => {
      const plan = nextCall(method, new Random(SEED, path, index), population);
      const outcome = await caller.call(method, plan);
      population.learn(method, outcome);
      const code = status[outcome.code];
      answers.set(code, (answers.get(code) ?? 0) + 1);
      const fault = faultOf(method, plan, outcome);
      if (fault !== undefined) faults.push(`call ${index}: ${fault}\n  ${shown(plan)}`);
    };
    for (let from = 0; from < CALLS && faults.length === 0; from += CALLS_BETWEEN_RENEWALS) {
      const indices = Array.from({ length: CALLS_BETWEEN_RENEWALS }, (_, at) => from + at);
      await population.renew();
      await inFlight(CONCURRENT_CALLS, indices.slice(0, CALLS - from), one);
      assert.ok(isAlive(first.pid), `FORKBUS_SEED=${SEED}: the daemon died:\n${daemon.log}`);
    }
    const errors = newErrors();
    assert.deepEqual({ faults: faults.slice(0, 5), errors }, { faults: [], errors: [] });
    return answers;
  }

  for (const method of servedMethods().filter((each) => pathOf(each).includes(ONLY))) {
    it(`to ${pathOf(method)} are answered, each with a status of its own`, async () => {
      try {
        const answers = await fuzz(method);
        if (isSoak) process.stdout.write(`      ${JSON.stringify(Object.fromEntries(answers))}\n`);
      } catch (error) {
        if (!isAlive(first.pid)) {
          await end();
          await start();
        }
        throw new Error(`FORKBUS_SEED=${SEED} FORKBUS_FUZZ_ONLY=${pathOf(method)}`, {
          cause: error,
        });
      }
    });
  }

  it("leave nothing behind", async () => {
    await population.clear();
    const keeper = first.keeperPid ?? 0;
    await eventually(
      () => childrenOf(keeper).filter((pid) => !population.isOfBuiltIn(pid)),
      (children) => children.length === 0,
      { what: "all workers and zygotes to be gone, but those of built-in templates" },
    );
    caller[Symbol.dispose]();
    await eventually(
      () => descriptorCount(daemon.pid),
      (descriptors) => descriptors <= atStart.descriptors,
      { what: `the daemon to have ${atStart.descriptors} descriptors again` },
    );
    await eventually(
      async () => (await daemon.admin.getServerStatus({})).connections,
      (connections) => connections === 1,
      { what: "all other connections to be closed" },
    );
    const grown = rssBytes(daemon.pid) - atStart.memory;
    if (isSoak) process.stdout.write(`      ${Math.round(grown / MIB)} MiB more than before\n`);
    assert.ok(grown < GROWTH_BYTES, `grown by ${Math.round(grown / MIB)} MiB`);
    await checkStillWorks(daemon, first);
    assert.deepEqual(newErrors(), []);
  });
});

function isHarmlessLine(line: string): boolean {
  return /"level":"(?:info|warn|debug)"/.test(line);
}

function shown({ messages, ...plan }: CallPlan): string {
  const bytes = messages.map((each) => `${each.length}:${each.toString("hex").slice(0, 400)}`);
  return JSON.stringify({ ...plan, messages: bytes });
}
