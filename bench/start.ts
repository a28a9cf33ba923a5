// How long it takes to start a program, or a worker that calls a function, and what workers cost in memory.
import { OwnDaemon } from "./harness/own-daemon.js";
import { type Plan, runBenchmark, type Setting } from "./harness/run-benchmark.js";
import { functionContenders } from "./start/functions.js";
import { programContenders } from "./start/programs.js";
import { judgeStarts } from "./start/targets.js";

async function prepare(setting: Setting): Promise<Plan> {
  const { python, quick, profile, resources } = setting;
  const rounds = quick ? { warmUp: 1, measured: 2 } : { warmUp: 3, measured: 40 };
  // Records are removed while it is measured, as in a daemon that has run for long.
  const daemon = resources.use(await OwnDaemon.start(["--retained-processes", "100"], profile));
  const functions = await functionContenders(setting, daemon, rounds.warmUp);
  return {
    contenders: [...programContenders(setting, daemon), ...functions.contenders],
    afterwards: functions.afterwards,
    rounds,
    leftOut: python === undefined ? ["Python's ways and workers: there is no python3"] : [],
  };
}

await runBenchmark({
  name: "start",
  description:
    "From the start of a program to its status, and from that of a worker to the first line of a function, against " +
    "Node and Python; and the memory of idle workers.",
  prepare,
  judge: judgeStarts,
});
