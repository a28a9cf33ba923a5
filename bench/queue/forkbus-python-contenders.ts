import { existsSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../server/kernel/package-root.js";
import type { Contender } from "../harness/contender.js";
import type { OwnDaemon } from "../harness/own-daemon.js";
import { pythonScript } from "../harness/python.js";
import type { Setting } from "../harness/run-benchmark.js";
import { loadsOf, mostPairs } from "./loads.js";
import { ProgramPairs } from "./program-pairs.js";

export const fromPython = "forkbus from Python, put_many, for";

/** The Python of `make python`, which has our client; undefined when that was not made. */
export function findClientPython(): string | undefined {
  const program = join(packageRoot, "dist/python/venv/bin/python");
  return existsSync(join(packageRoot, "dist/python/.stamp")) ? program : undefined;
}

/** The same daemon and queue as the others, and Python clients at both ends. */
export function forkbusPythonContenders(
  python: string,
  daemon: OwnDaemon,
  { quick, resources }: Setting,
): readonly Contender[] {
  const script = pythonScript("queue/forkbus_python.py");
  const pairs = new ProgramPairs(resources, {
    producer: [python, script, "produce"],
    consumer: [python, script, "consume"],
    env: { FORKBUS_ADDRESS: daemon.address },
    pairs: mostPairs,
  });
  return loadsOf({ "100 B": 20_000, "10 KB": 5_000 }, quick).map((load) => ({
    ...{ role: "forkbus", group: load.group, name: fromPython, unit: "per_s" },
    version: daemon.version,
    command: `${daemon.command}; put_many of 1000; for item in queue; ${load.itemsEach} items from each producer`,
    run: async () => {
      await using queue = await daemon.client.queue();
      const rate = await pairs.run(load, {
        produce: { queue: queue.name, way: "putMany" },
        consume: { queue: queue.name, way: "for await" },
        finish: () => queue.shutdown(),
      });
      return [rate];
    },
  }));
}
