import type { Contender } from "../harness/contender.js";
import { profiled } from "../harness/node-program.js";
import type { OwnDaemon } from "../harness/own-daemon.js";
import type { Setting } from "../harness/run-benchmark.js";
import type { Load } from "./exchange.js";
import { type ItemCounts, loadsOf, mostPairs } from "./loads.js";
import { ProgramPairs } from "./program-pairs.js";
import type { GetWay, PutWay } from "./ways.js";

interface Ways {
  readonly put: PutWay;
  readonly get: GetWay;
  readonly counts: ItemCounts;
}

/** The fastest way that the client has, which the targets are about. */
export const inBatches = "forkbus, putMany, batches";
export const itemByItem = "forkbus, putMany, for await";
export const putByPut = "forkbus, put, for await";
export const oneAtATime = "forkbus, await put, await get";

const ways: Readonly<Record<string, Ways>> = {
  [inBatches]: { put: "putMany", get: "batches", counts: { "100 B": 1_000_000, "10 KB": 20_000 } },
  [itemByItem]: { put: "putMany", get: "for await", counts: { "100 B": 400_000, "10 KB": 20_000 } },
  [putByPut]: { put: "put", get: "for await", counts: { "100 B": 200_000, "10 KB": 20_000 } },
  [oneAtATime]: { put: "await put", get: "await get", counts: { "100 B": 2000, "10 KB": 2000 } },
};

/** A queue of a daemon with its defaults, on a Unix socket, and TypeScript clients at both ends. */
export function forkbusContenders(daemon: OwnDaemon, setting: Setting): readonly Contender[] {
  const { quick, profile, resources } = setting;
  const pairs = new ProgramPairs(resources, {
    producer: profiled("bench/queue/forkbus-producer.js", profile),
    consumer: profiled("bench/queue/forkbus-consumer.js", profile),
    env: { FORKBUS_ADDRESS: daemon.address },
    pairs: mostPairs,
  });
  const run = async (load: Load, { put, get }: Ways): Promise<number> => {
    await using queue = await daemon.client.queue();
    return await pairs.run(load, {
      produce: { queue: queue.name, way: put },
      consume: { queue: queue.name, way: get },
      finish: () => queue.shutdown(),
    });
  };
  return Object.entries(ways).flatMap(([name, way]) =>
    loadsOf(way.counts, quick).map((load) => ({
      ...{ role: "forkbus", group: load.group, name, version: daemon.version, unit: "per_s" },
      command: `${daemon.command}; bus.queue(); ${way.put}; ${way.get}; ${load.itemsEach} items from each producer`,
      run: async () => [await run(load, way)],
    })),
  );
}
