// Items per second through one queue, from the first put to the last item received.
import { OwnDaemon } from "./harness/own-daemon.js";
import { findRow, ratiosOf, type Row, target } from "./harness/report.js";
import { type Judgement, type Plan, runBenchmark, type Setting } from "./harness/run-benchmark.js";
import {
  forkbusContenders,
  inBatches,
  itemByItem,
  oneAtATime,
  putByPut,
} from "./queue/forkbus-contenders.js";
import {
  findClientPython,
  forkbusPythonContenders,
  fromPython,
} from "./queue/forkbus-python-contenders.js";
import { groupTitle } from "./queue/loads.js";
import { managerQueue, processQueue, pythonContenders } from "./queue/python-contenders.js";
import { barePipe, socketContenders } from "./queue/socket-contenders.js";

async function prepare(setting: Setting): Promise<Plan> {
  const { python, profile, quick, resources } = setting;
  const clientPython = findClientPython();
  const daemon = resources.use(await OwnDaemon.start([], profile));
  return {
    contenders: [
      ...forkbusContenders(daemon, setting),
      ...(clientPython === undefined ? [] : forkbusPythonContenders(clientPython, daemon, setting)),
      ...(python === undefined ? [] : pythonContenders(python, setting)),
      ...(await socketContenders(setting)),
    ],
    rounds: quick ? { warmUp: 1, measured: 1 } : { warmUp: 1, measured: 8 },
    leftOut: [
      ...(python === undefined ? ["Python's queues: there is no python3"] : []),
      ...(clientPython === undefined ? ["forkbus from Python: `make python` was not run"] : []),
    ],
  };
}

const groups = {
  "100B_1to1": groupTitle("1 to 1", "100 B"),
  "100B_4to4": groupTitle("4 to 4", "100 B"),
  "10KB_1to1": groupTitle("1 to 1", "10 KB"),
  "10KB_4to4": groupTitle("4 to 4", "10 KB"),
} as const;

/** By the beginning of their keys among the ratios. */
const ways = {
  items: inBatches,
  iterated: itemByItem,
  put_by_put: putByPut,
  one_at_a_time: oneAtATime,
  from_python: fromPython,
} as const;

function judge(rows: readonly Row[]): Judgement {
  const pairs: Record<string, readonly [Row | undefined, Row | undefined]> = {};
  for (const [key, group] of Object.entries(groups)) {
    const row = (name: string): Row | undefined => findRow(rows, group, name);
    for (const [ours, name] of Object.entries(ways)) {
      pairs[`${ours}_${key}_vs_mp_queue`] = [row(name), row(processQueue)];
    }
    pairs[`items_${key}_vs_manager_queue`] = [row(inBatches), row(managerQueue)];
    pairs[`items_${key}_vs_floor`] = [row(inBatches), row(barePipe)];
  }
  const ratios = ratiosOf(pairs);
  const group = groups["100B_1to1"];
  const over = (rival: string): string => `items_100B_1to1_vs_${rival}`;
  return {
    ratios,
    targets: [
      ...target(
        `items/s, ${group} (${inBatches})`,
        `rows[group="${group}",name="${inBatches}"].per_s`,
        findRow(rows, group, inBatches)?.per_s,
        { atLeast: 1_000_000 },
      ),
      ...target(
        "the same against multiprocessing.Queue",
        `ratios.${over("mp_queue")}`,
        ratios[over("mp_queue")],
        { atLeast: 5 },
      ),
      ...target(
        "the same against Manager().Queue",
        `ratios.${over("manager_queue")}`,
        ratios[over("manager_queue")],
        { atLeast: 100 },
      ),
    ],
  };
}

await runBenchmark({
  name: "queue",
  description: "Items per second through a queue, between processes, against Python's queues.",
  prepare,
  judge,
});
