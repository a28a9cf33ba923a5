import type { Contender, Role } from "../harness/contender.js";
import { Driver } from "../harness/driver.js";
import { nodeProgram, profiled } from "../harness/node-program.js";
import type { OwnDaemon } from "../harness/own-daemon.js";
import { pythonScript } from "../harness/python.js";
import { findRow, ratiosOf, type Row } from "../harness/report.js";
import type { Setting } from "../harness/run-benchmark.js";
import { startsAnswer } from "./starts.js";

const ours = "forkbus";
const oursNull = "forkbus, output to null";
const childProcess = "child_process.spawn";
const pythonSpawn = "multiprocessing spawn";
const popen = "subprocess.Popen";
const posixSpawn = "os.posix_spawn and wait";

const oneByOne = "one after the other";
const inFlight = "16 in flight";

interface Program {
  readonly role: Role;
  readonly name: string;
  readonly version: string;
  readonly commandLine: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What is run by hand, where the command line does not say it. */
  readonly command: string;
  /** Slow ones do less in each round. */
  readonly isSlow?: boolean;
}

/** Those who start `/bin/true` and wait for its status. */
export function programContenders(setting: Setting, daemon: OwnDaemon): readonly Contender[] {
  const { python, profile } = setting;
  const forkbus = {
    role: "forkbus",
    version: daemon.version,
    env: { FORKBUS_ADDRESS: daemon.address },
  } as const;
  const start = 'process({ argv: ["/bin/true"]';
  const programs: Program[] = [
    {
      ...forkbus,
      name: ours,
      commandLine: profiled("bench/start/forkbus-programs.js", profile),
      command: `${daemon.command}; ${start} }).start(), join()`,
    },
    {
      ...forkbus,
      name: oursNull,
      commandLine: [...profiled("bench/start/forkbus-programs.js", profile), "null"],
      command: `${daemon.command}; ${start}, stdout: "null", stderr: "null" }).start(), join()`,
    },
    {
      role: "rival",
      name: childProcess,
      version: process.version,
      commandLine: nodeProgram("bench/start/child-process-programs.js"),
      command: 'spawn("/bin/true", { stdio: "ignore" }), exit',
    },
  ];
  if (python !== undefined) {
    const script = pythonScript("start/python_starts.py");
    const via = (way: string): readonly string[] => [python.program, script, way];
    const { version } = python;
    programs.push(
      {
        ...{ role: "rival", name: pythonSpawn, version, commandLine: via("spawn") },
        command: 'get_context("spawn").Process(target=nothing).start(), join()',
        isSlow: true,
      },
      {
        ...{ role: "rival", name: popen, version, commandLine: via("Popen") },
        command: 'Popen(["/bin/true"], stdin, stdout, stderr=DEVNULL).wait()',
      },
      {
        ...{ role: "floor", name: posixSpawn, version, commandLine: via("posix_spawn") },
        command: 'os.posix_spawn("/bin/true", ["/bin/true"], {}), os.wait()',
      },
    );
  }
  return programs.flatMap((program) => contendersOf(program, setting));
}

/** One for each group, with one process that does both. */
function contendersOf(program: Program, { quick, resources }: Setting): readonly Contender[] {
  const { role, name, version, command, commandLine, env, isSlow = false } = program;
  const driver = resources.use(new Driver(commandLine, env));
  const sequential = { count: isSlow ? 3 : 10, inFlight: 1 };
  const parallel = { count: isSlow || quick ? 16 : 160, inFlight: 16 };
  const title = { role, name, version, command };
  return [
    {
      ...{ ...title, group: oneByOne, unit: "ms" },
      run: async () => (await driver.ask(sequential, startsAnswer)).samples_ms,
    },
    {
      ...{ ...title, group: inFlight, unit: "per_s" },
      run: async () => {
        const { elapsed_ms } = await driver.ask(parallel, startsAnswer);
        return [parallel.count / (elapsed_ms / 1000)];
      },
    },
  ];
}

export function programRatios(rows: readonly Row[]): Readonly<Record<string, number>> {
  const one = (name: string): Row | undefined => findRow(rows, oneByOne, name);
  const many = (name: string): Row | undefined => findRow(rows, inFlight, name);
  return ratiosOf({
    spawn_vs_child_process: [one(ours), one(childProcess)],
    spawn_vs_multiprocessing_spawn: [one(ours), one(pythonSpawn)],
    spawn_vs_popen: [one(ours), one(popen)],
    spawn_vs_floor: [one(ours), one(posixSpawn)],
    spawn_null_output_vs_child_process: [one(oursNull), one(childProcess)],
    per_s_vs_child_process: [many(ours), many(childProcess)],
    per_s_vs_multiprocessing_spawn: [many(ours), many(pythonSpawn)],
    per_s_vs_popen: [many(ours), many(popen)],
    per_s_vs_floor: [many(ours), many(posixSpawn)],
  });
}
