import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import type { Contender } from "../harness/contender.js";
import { Driver } from "../harness/driver.js";
import { nodeProgram } from "../harness/node-program.js";
import type { Setting } from "../harness/run-benchmark.js";
import { loadsOf, mostPairs } from "./loads.js";
import { ProgramPairs } from "./program-pairs.js";

export const barePipe = "Unix sockets through a relay";

/** The floor: Node programs that push the same items, in the same runs, through two Unix sockets and a relay. */
export async function socketContenders({
  quick,
  resources,
}: Setting): Promise<readonly Contender[]> {
  const directory = await mkdtemp(join(tmpdir(), "forkbus-bench-pipe-"));
  resources.defer(() => rm(directory, { recursive: true, force: true }));
  const producersPath = join(directory, "producers");
  const consumersPath = join(directory, "consumers");
  const relay = resources.use(
    new Driver([...nodeProgram("bench/queue/socket-relay.js"), producersPath, consumersPath]),
  );
  await relay.ask({}, z.object({ ready: z.literal(true) }));
  const pairs = new ProgramPairs(resources, {
    producer: nodeProgram("bench/queue/socket-producer.js"),
    consumer: nodeProgram("bench/queue/socket-consumer.js"),
    env: {},
    pairs: mostPairs,
  });
  return loadsOf({ "100 B": 1_000_000, "10 KB": 50_000 }, quick).map((load) => ({
    ...{ role: "floor", group: load.group, name: barePipe, unit: "per_s" },
    version: process.version,
    command: `net.connect, write; net.createServer, pipe; ${load.itemsEach} items from each producer`,
    run: async () => {
      const rate = await pairs.run(load, {
        produce: { queue: producersPath, way: "putMany" },
        consume: { queue: consumersPath, way: "for await" },
        finish: () => Promise.resolve(),
      });
      return [rate];
    },
  }));
}
