import { findRow, ratiosOf, type Row, type Target, target } from "../harness/report.js";
import type { Judgement } from "../harness/run-benchmark.js";
import {
  bareFork,
  bareForkOneByOne,
  bareGroup,
  childFork,
  churn,
  firstLine,
  forkServer,
  forkServerNoMain,
  ours,
  oursWarm,
  pythonGroup,
  typescriptGroup,
} from "./functions.js";
import { privateGroup, pssGroup } from "./idle-workers.js";
import { programRatios } from "./programs.js";

/** What the design promises of ratios. */
const promises: readonly (readonly [string, Target["goal"]])[] = [
  ["python_vs_forkserver", { atMost: 0.5 }],
  ["python_warm_pool_vs_forkserver", { atMost: 0.15 }],
  ["node_typescript_vs_child_process_fork", { atMost: 0.04 }],
  ["node_bare_vs_child_process_fork", { atMost: 0.1 }],
  ["churn_vs_forkserver", { atLeast: 1.5 }],
  ["churn_vs_floor", { atLeast: 0.5 }],
];

/** And of the private memory of an idle worker, in millions of bytes. */
const sizes: readonly (readonly [string, number])[] = [
  [pythonGroup, 1.5],
  [typescriptGroup, 2],
];

export function judgeStarts(rows: readonly Row[]): Judgement {
  const row = (group: string, name: string): Row | undefined => findRow(rows, group, name);
  const against = (group: string, mine: string, theirs: string) =>
    [row(group, mine), row(group, theirs)] as const;
  const python = firstLine(pythonGroup);
  const ratios = {
    ...programRatios(rows),
    ...ratiosOf({
      python_vs_forkserver: against(python, ours, forkServer),
      python_vs_forkserver_no_main_file: against(python, ours, forkServerNoMain),
      python_warm_pool_vs_forkserver_no_main_file: against(python, oursWarm, forkServerNoMain),
      python_warm_pool_vs_forkserver: against(python, oursWarm, forkServer),
      node_typescript_vs_child_process_fork: against(firstLine(typescriptGroup), ours, childFork),
      node_bare_vs_child_process_fork: against(firstLine(bareGroup), ours, childFork),
      churn_vs_forkserver: against(churn, ours, forkServer),
      churn_vs_forkserver_no_main_file: against(churn, ours, forkServerNoMain),
      churn_vs_floor: against(churn, ours, bareForkOneByOne),
      churn_vs_floor_16_in_flight: against(churn, ours, bareFork),
      python_private_memory_vs_forkserver: against(privateGroup(pythonGroup), ours, forkServer),
      python_pss_vs_forkserver: against(pssGroup(pythonGroup), ours, forkServer),
      node_typescript_private_memory_vs_child_process_fork: against(
        privateGroup(typescriptGroup),
        ours,
        childFork,
      ),
      node_typescript_pss_vs_child_process_fork: against(
        pssGroup(typescriptGroup),
        ours,
        childFork,
      ),
    }),
  };
  return {
    ratios,
    targets: [
      ...promises.flatMap(([name, goal]) => target(name, `ratios.${name}`, ratios[name], goal)),
      ...sizes.flatMap(([group, mb]) => {
        const of = privateGroup(group);
        const field = `rows[group="${of}",name="${ours}"].mb`;
        return target(`${of}, MB`, field, row(of, ours)?.mb, { atMost: mb });
      }),
    ],
  };
}
