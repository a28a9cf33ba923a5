// Starts and ends workers of the daemon at $FORKBUS_ADDRESS, and measures how long it takes to answer.
import { type Client, connect } from "forkbus";
import { answerCommands } from "../harness/answer-commands.js";
import { type ProbeAnswer, probeCommand, type ProbeKind } from "./probe.js";

/** From the request to the answer that the worker runs. */
async function probeCreate(bus: Client): Promise<number> {
  const began = performance.now();
  const worker = await bus.process({ argv: ["/bin/true"] }).start();
  const took = performance.now() - began;
  await worker.join();
  if (worker.exitCode !== 0) throw new Error(`/bin/true: exit code ${String(worker.exitCode)}`);
  return took;
}

/** From the moment at which a worker is killed, by us and not through the daemon, to the answer of the wait for it. */
async function probeExitNotice(bus: Client): Promise<number> {
  const worker = await bus.process({ argv: ["/bin/sleep", "600"] }).start();
  const { pid } = worker;
  if (pid === undefined) throw new Error("A worker that runs has no pid");
  const ended = worker.join();
  // Requests of one connection are read in order: once this one is answered, the wait is known.
  await worker.refresh();
  const began = performance.now();
  process.kill(pid, "SIGKILL");
  await ended;
  const took = performance.now() - began;
  if (worker.exitCode !== -9) throw new Error(`Killed: exit code ${String(worker.exitCode)}`);
  return took;
}

const probes: Readonly<Record<ProbeKind, (bus: Client) => Promise<number>>> = {
  create: probeCreate,
  "exit notice": probeExitNotice,
};

await using bus = await connect();
await answerCommands(async (asked): Promise<ProbeAnswer> => {
  const { kind, forMs } = probeCommand.parse(asked);
  const deadline = performance.now() + forMs;
  const samples: number[] = [];
  do {
    samples.push(await probes[kind](bus));
  } while (performance.now() < deadline);
  return { samples_ms: samples };
});
