import { dirname } from "node:path";
import type { Contender, Role } from "../harness/contender.js";
import { Driver } from "../harness/driver.js";
import { nodeProgram, profiled } from "../harness/node-program.js";
import type { OwnDaemon } from "../harness/own-daemon.js";
import { type Python, pythonScript } from "../harness/python.js";
import type { Setting } from "../harness/run-benchmark.js";
import { FirstLineParts } from "./first-line-parts.js";
import { firstLinesAnswer } from "./first-lines.js";
import { childProcessIdle, forkbusIdle, memoryContenders, pythonIdle } from "./idle-workers.js";
import { startsAnswer } from "./starts.js";
import { python as pythonKind, templateOf, type WorkerKind, workerKinds } from "./worker-kinds.js";

export const ours = "forkbus";
export const oursWarm = "forkbus, warm pool";
export const forkServer = "multiprocessing forkserver";
export const forkServerNoMain = `${forkServer}, no main file`;
export const childFork = "child_process.fork";
export const bareFork = "os.fork, os._exit, os.wait";
export const bareForkOneByOne = `${bareFork}, one by one`;

/** What the kinds of workers are called. */
export const pythonGroup = "Python";
export const bareGroup = "Node";
export const typescriptGroup = "Node with typescript";

const groups: Readonly<Record<string, string>> = {
  python: pythonGroup,
  "node-bare": bareGroup,
  "node-typescript": typescriptGroup,
};

export const firstLine = (group: string): string => `${group}: create to first line`;
export const churn = `${pythonGroup}: create to status, 16 in flight`;

/** Enough that the pool is never in the way, few enough that it is soon full. */
const warmWorkers = 4;

interface Program {
  readonly role: Role;
  readonly group: string;
  readonly name: string;
  readonly version: string;
  readonly command: string;
}

export interface FunctionContenders {
  readonly contenders: readonly Contender[];
  readonly afterwards: readonly Contender[];
}

/** Those who have workers call functions: in turns, and what is told of them afterwards. */
export async function functionContenders(
  setting: Setting,
  daemon: OwnDaemon,
  warmUpRounds: number,
): Promise<FunctionContenders> {
  const contenders: Contender[] = [];
  const afterwards: Contender[] = [];
  const add = ({ contenders: some, afterwards: later }: FunctionContenders): void => {
    contenders.push(...some);
    afterwards.push(...later);
  };
  for (const [name, kind] of Object.entries(workerKinds)) {
    if (kind === pythonKind && setting.python === undefined) continue;
    add(await forkbusContenders(setting, daemon, warmUpRounds, name, kind));
    if (kind.runtime === "node") add(childProcessContenders(setting, name, kind));
  }
  if (setting.python !== undefined) add(pythonContenders(setting, setting.python));
  return { contenders, afterwards };
}

async function forkbusContenders(
  setting: Setting,
  daemon: OwnDaemon,
  warmUpRounds: number,
  kindName: string,
  kind: WorkerKind,
): Promise<FunctionContenders> {
  const { profile, python, quick, resources } = setting;
  const interpreter =
    kind.runtime === "node" ? process.execPath : (python?.executable ?? "python3");
  const options = { ...templateOf(kind, `bench/${kindName}`), interpreter };
  const template = await daemon.client.templates.ensure(options);
  const group = groups[kindName] ?? kindName;
  const title = { role: "forkbus", version: daemon.version } as const;
  const driverOf = (...args: readonly string[]): Driver =>
    resources.use(
      new Driver([...profiled("bench/start/forkbus-functions.js", profile), kindName, ...args], {
        FORKBUS_ADDRESS: daemon.address,
      }),
    );
  const driver = driverOf(template.name);
  const parts = new FirstLineParts(warmUpRounds);
  const command = `${daemon.command}; spawn({ ${kind.runtime}: firstLine, template })`;
  const program = { ...title, group, name: ours, command };
  const contenders = [firstLineContender(program, driver, firstLines(quick, kind), parts)];
  const afterwards = [
    ...parts.contenders({ ...program, group: `${firstLine(group)}, parts of ${ours}` }),
    ...memoryContenders(program, forkbusIdle(daemon.client, kind, template.name)),
  ];
  if (kind === pythonKind) {
    const pool = { ...options, name: `bench/${kindName}-warm`, warmWorkers };
    const warm = await daemon.client.templates.ensure(pool);
    const warmDriver = driverOf(warm.name, String(warmWorkers));
    const warmProgram = { ...program, name: oursWarm, command: `${command}, ${warmWorkers} warm` };
    const warmParts = new FirstLineParts(warmUpRounds);
    contenders.push(
      firstLineContender(warmProgram, warmDriver, firstLines(quick, kind), warmParts),
      churnContender(program, driver, quick),
    );
    afterwards.push(
      ...warmParts.contenders({ ...program, group: `${firstLine(group)}, parts of ${oursWarm}` }),
    );
  }
  return { contenders, afterwards };
}

function childProcessContenders(
  { quick, resources }: Setting,
  kindName: string,
  kind: WorkerKind,
): FunctionContenders {
  const program = {
    role: "rival",
    group: groups[kindName] ?? kindName,
    name: childFork,
    version: process.version,
    command: "fork() of a program that loads the same file and calls the same function",
  } as const;
  const commandLine = [...nodeProgram("bench/start/child-process-functions.js"), kind.file];
  const driver = resources.use(new Driver(commandLine));
  return {
    contenders: [firstLineContender(program, driver, firstLines(quick, kind))],
    afterwards: memoryContenders(program, childProcessIdle(kind)),
  };
}

function pythonContenders({ quick, resources }: Setting, python: Python): FunctionContenders {
  const start = (...args: readonly string[]): Driver =>
    resources.use(new Driver([python.program, ...args], { PYTHONPATH: dirname(pythonKind.file) }));
  const program = pythonScript("start/python_forks_program.py");
  const common = { group: pythonGroup, version: python.version } as const;
  const server: Program = {
    ...{ ...common, role: "rival", name: forkServer },
    command:
      "set_forkserver_preload([...]), Process(...).start(), join(), in a program that is a file",
  };
  const noMain: Program = {
    ...{ ...server, name: forkServerNoMain },
    command: "the same with python3 -c, where workers have no main file to run again",
  };
  const floor: Program = {
    ...{ ...common, role: "floor", name: bareFork },
    command: "os.fork(), os._exit(0) in the child, os.wait(), of a process with the same preloads",
  };
  const serverDriver = start(program, "forkserver");
  const noMainDriver = start("-c", "import python_forks; python_forks.main()", "forkserver");
  const floorDriver = start(program, "fork");
  const count = firstLines(quick, pythonKind);
  return {
    contenders: [
      firstLineContender(server, serverDriver, count),
      firstLineContender(noMain, noMainDriver, count),
      churnContender(server, serverDriver, quick),
      churnContender(noMain, noMainDriver, quick),
      churnContender(floor, floorDriver, quick),
      churnContender({ ...floor, name: bareForkOneByOne }, floorDriver, quick, 1),
    ],
    afterwards: memoryContenders(server, pythonIdle(serverDriver)),
  };
}

/** In a round. A rival's process of Node takes long to start. */
function firstLines(quick: boolean, { runtime }: WorkerKind): number {
  if (quick) return 2;
  return runtime === "python" ? 10 : 3;
}

function firstLineContender(
  program: Program,
  driver: Driver,
  count: number,
  parts?: FirstLineParts,
): Contender {
  return {
    ...{ ...program, group: firstLine(program.group), unit: "ms" },
    run: async () => {
      const answer = await driver.ask({ firstLines: count }, firstLinesAnswer);
      parts?.add(answer);
      return answer.samples_ms;
    },
  };
}

function churnContender(
  program: Program,
  driver: Driver,
  quick: boolean,
  inFlight = 16,
): Contender {
  const count = quick ? 32 : 160;
  return {
    ...{ ...program, group: churn, unit: "per_s" },
    run: async () => {
      const { elapsed_ms } = await driver.ask({ count, inFlight }, startsAnswer);
      return [count / (elapsed_ms / 1000)];
    },
  };
}
