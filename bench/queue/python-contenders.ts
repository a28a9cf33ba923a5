import { z } from "zod";
import type { Contender } from "../harness/contender.js";
import { Driver } from "../harness/driver.js";
import { type Python, pythonScript } from "../harness/python.js";
import type { Setting } from "../harness/run-benchmark.js";
import { consumerAnswer, producerAnswer, rateOf } from "./exchange.js";
import { type ItemCounts, loadsOf, mostPairs } from "./loads.js";

export const processQueue = "multiprocessing.Queue";
export const managerQueue = "Manager().Queue";

const answer = z.object({
  producers: z.array(producerAnswer),
  consumers: z.array(consumerAnswer),
});

interface Kind {
  readonly name: string;
  /** As the script knows it. */
  readonly kind: "Queue" | "Manager";
  readonly command: string;
  readonly counts: ItemCounts;
}

const kinds: readonly Kind[] = [
  {
    name: processQueue,
    kind: "Queue",
    command: "multiprocessing.Queue()",
    counts: { "100 B": 50_000, "10 KB": 20_000 },
  },
  {
    name: managerQueue,
    kind: "Manager",
    command: "multiprocessing.Manager().Queue()",
    counts: { "100 B": 6_000, "10 KB": 6_000 },
  },
];

/** Unbounded, with bytes as items; producers and consumers are processes of the start method `spawn`. */
export function pythonContenders(python: Python, setting: Setting): readonly Contender[] {
  const { quick, resources } = setting;
  return kinds.flatMap(({ name, kind, command, counts }) => {
    const script = pythonScript("queue/python_queues.py");
    const driver = resources.use(new Driver([python.program, script, kind, String(mostPairs)]));
    return loadsOf(counts, quick).map((load) => ({
      ...{ role: "rival", group: load.group, name, version: python.version, unit: "per_s" },
      command: `${command}; put; get; ${load.itemsEach} items from each producer`,
      run: async () => {
        const { producers, consumers } = await driver.ask(load, answer);
        return [rateOf(load.size, producers, consumers)];
      },
    }));
  });
}
