// How much one saturated queue stream disturbs those who start workers and wait for their ends.
import { setTimeout as delay } from "node:timers/promises";
import type { Contender, Title } from "./harness/contender.js";
import { Driver } from "./harness/driver.js";
import { profiled } from "./harness/node-program.js";
import { OwnDaemon } from "./harness/own-daemon.js";
import { findRow, ratiosOf, type Row, target } from "./harness/report.js";
import { type Judgement, type Plan, runBenchmark, type Setting } from "./harness/run-benchmark.js";
import { probeAnswer, probeKind, type ProbeKind } from "./interference/probe.js";
import { ProgramPairs } from "./queue/program-pairs.js";

const idle = "idle";
const saturated = "one queue stream saturated";
const stream = "the queue stream";
const alone = "alone";
const probed = "while workers start and end";

/** What the design allows. */
const mostMs = 50;
/** Holds the producer back, so that the consumer has little left when the producer stops. */
const mostItems = 10_000;
/** The stream runs this long before and after it is probed. */
const marginMs = 300;

async function prepare({ quick, profile, resources }: Setting): Promise<Plan> {
  const daemon = resources.use(await OwnDaemon.start(["--retained-processes", "100"], profile));
  const env = { FORKBUS_ADDRESS: daemon.address };
  const pairs = new ProgramPairs(resources, {
    producer: profiled("bench/queue/forkbus-producer.js", profile),
    consumer: profiled("bench/queue/forkbus-consumer.js", profile),
    env,
    pairs: 1,
  });
  const prober = resources.use(new Driver(profiled("bench/interference/prober.js", profile), env));
  const probeMs = quick ? 300 : 1500;
  const probe = async (kind: ProbeKind): Promise<readonly number[]> =>
    (await prober.ask({ kind, forMs: probeMs }, probeAnswer)).samples_ms;

  /** 100-byte items from one producer to one consumer, as fast as both can. Resolves to items per second. */
  const saturate = async (): Promise<number> => {
    await using queue = await daemon.client.queue({ maxItems: mostItems });
    const load = { pairs: 1, size: 100, itemsEach: 1e9, forMs: probeMs + 2 * marginMs };
    return await pairs.run(load, {
      produce: { queue: queue.name, way: "putMany" },
      consume: { queue: queue.name, way: "batches" },
      finish: () => queue.shutdown(),
    });
  };
  /** Both at once: what the stream moved, and what the probes measured in its midst. */
  const probeSaturated = (kind: ProbeKind): Promise<readonly [number, readonly number[]]> =>
    Promise.all([saturate(), delay(marginMs).then(() => probe(kind))]);

  const title = (group: string, name: string): Omit<Title, "unit"> => ({
    ...{ role: "forkbus", group, name, version: daemon.version, command: daemon.command },
  });
  const contenders: Contender[] = probeKind.options.flatMap((kind): Contender[] => [
    { ...title(kind, idle), unit: "ms", run: () => probe(kind) },
    { ...title(kind, saturated), unit: "ms", run: async () => (await probeSaturated(kind))[1] },
  ]);
  contenders.push(
    { ...title(stream, alone), unit: "per_s", run: async () => [await saturate()] },
    {
      ...title(stream, probed),
      unit: "per_s",
      run: async () => [(await probeSaturated("create"))[0]],
    },
  );
  return {
    contenders,
    rounds: quick ? { warmUp: 1, measured: 1 } : { warmUp: 2, measured: 10 },
    leftOut: ["lock grants: there are no locks yet"],
  };
}

function judge(rows: readonly Row[]): Judgement {
  const under = (kind: ProbeKind, name: string): Row | undefined => findRow(rows, kind, name);
  return {
    ratios: ratiosOf({
      create_p50_saturated_vs_idle: [under("create", saturated), under("create", idle)],
      exit_notice_p50_saturated_vs_idle: [
        under("exit notice", saturated),
        under("exit notice", idle),
      ],
      stream_probed_vs_alone: [findRow(rows, stream, probed), findRow(rows, stream, alone)],
    }),
    targets: probeKind.options.flatMap((kind) =>
      target(
        `${kind}, p99 in ms, ${saturated}`,
        `rows[group="${kind}",name="${saturated}"].p99_ms`,
        under(kind, saturated)?.p99_ms,
        { atMost: mostMs },
      ),
    ),
  };
}

await runBenchmark({
  name: "interference",
  description:
    "What one saturated queue stream does to the start of workers and the notice of ends.",
  prepare,
  judge,
});
