// How long it takes from "start a program" to "it has ended, with status 0": forkbus against child_process.spawn.
// Rivals take turns within each round, so that whatever else the machine does hits both alike.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, connect } from "forkbus";

const ROUNDS = Number(process.env["FORKBUS_BENCH_ROUNDS"] ?? 300);
const WARM_UP_ROUNDS = 30;
const PROGRAM = ["/bin/true"];

interface Rival {
  readonly name: string;
  readonly version: string;
  readonly run: () => Promise<void>;
}

interface Row {
  readonly name: string;
  readonly version: string;
  readonly command: string;
  readonly n: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly samples: readonly number[];
}

async function viaChildProcess(): Promise<void> {
  const [code] = (await once(spawn("/bin/true", { stdio: "ignore" }), "exit")) as [number];
  if (code !== 0) throw new Error(`child_process: exit code ${code}`);
}

async function viaForkbus(bus: Client): Promise<void> {
  const worker = await bus.process({ argv: PROGRAM }).start();
  await worker.join();
  if (worker.exitCode !== 0) throw new Error(`forkbus: exit code ${String(worker.exitCode)}`);
}

async function measure(rivals: readonly Rival[]): Promise<readonly Row[]> {
  const samples = new Map<string, number[]>(rivals.map(({ name }) => [name, []]));
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    for (const { name, run } of rivals) {
      const began = performance.now();
      await run();
      if (round >= 0) samples.get(name)?.push(performance.now() - began);
    }
  }
  return rivals.map(({ name, version }) => row(name, version, samples.get(name) ?? []));
}

function row(name: string, version: string, samples: readonly number[]): Row {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? NaN;
  const command = PROGRAM.join(" ");
  return { name, version, command, n: sorted.length, p50_ms: at(0.5), p99_ms: at(0.99), samples };
}

const directory = mkdtempSync(join(tmpdir(), "forkbus-bench-"));
const address = `unix:${join(directory, "run/forkbus.sock")}`;
const daemon = spawn(
  process.execPath,
  [
    join(import.meta.dirname, "../cli/main.js"),
    ...["serve", "--state-dir", join(directory, "state"), "--listen", address],
    ...["--retained-processes", "100", "--log-level", "error"],
  ],
  { stdio: ["ignore", "inherit", "inherit"] },
);
try {
  while (daemon.exitCode === null && !(await isListening())) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await using bus = await connect(address);
  const { version } = await bus.admin.getServerInfo({});
  const rows = await measure([
    { name: "child_process.spawn", version: process.version, run: viaChildProcess },
    { name: "forkbus", version, run: () => viaForkbus(bus) },
  ]);
  for (const { name, p50_ms, p99_ms, n } of rows) {
    console.log(
      `${name.padEnd(22)} p50 ${p50_ms.toFixed(2)} ms   p99 ${p99_ms.toFixed(2)} ms   n ${n}`,
    );
  }
  const [rival, ours] = rows;
  const ratios = { spawn_vs_child_process: (ours?.p50_ms ?? NaN) / (rival?.p50_ms ?? NaN) };
  console.log(`forkbus / child_process.spawn: ${ratios.spawn_vs_child_process.toFixed(2)}`);
  mkdirSync("bench/out", { recursive: true });
  writeFileSync("bench/out/start.json", `${JSON.stringify({ rows, ratios }, null, 2)}\n`);
} finally {
  if (daemon.exitCode === null) {
    const ended = once(daemon, "exit");
    daemon.kill("SIGTERM");
    await ended;
  }
  rmSync(directory, { recursive: true, force: true });
}

async function isListening(): Promise<boolean> {
  try {
    await using _bus = await connect(address);
    return true;
  } catch {
    return false;
  }
}
