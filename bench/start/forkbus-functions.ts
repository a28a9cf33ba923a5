// Has workers call functions, through $FORKBUS_ADDRESS: those of the kind that the first argument names, from the
// template that the second names. With a third the template keeps so many workers warm, and all are taken from these.
import { setTimeout as delay } from "node:timers/promises";
import { connect, type Process } from "forkbus";
import { driveFunctions, type FirstLine, nowNs } from "./first-lines.js";
import { processOf, workerKinds } from "./worker-kinds.js";

const poolFullWithinMs = 10_000;

const [kindName = "", templateName = "", poolSize] = process.argv.slice(2);
const kind = workerKinds[kindName];
if (kind === undefined) throw new Error(`There are no workers of the kind ${kindName}`);
await using bus = await connect();
const template = await bus.templates.get(templateName);

/** So that the pool is not at work while it is measured. */
async function poolIsFull(size: number): Promise<void> {
  const deadline = performance.now() + poolFullWithinMs;
  while ((await template.refresh()).warmWorkers < size) {
    if (performance.now() > deadline)
      throw new Error(`${templateName} has no ${size} warm workers`);
    await delay(1);
  }
}

function check(worker: Process): void {
  const { exitCode, startMethod = "nothing", warm } = worker;
  if (exitCode !== 0) throw new Error(`${kindName}: exit code ${String(exitCode)}`);
  if (startMethod !== "forkserver") throw new Error(`${kindName}: started by ${startMethod}`);
  if (poolSize !== undefined && !warm) throw new Error(`${kindName}: not of the pool`);
}

await driveFunctions({
  firstLine: async (): Promise<FirstLine> => {
    if (poolSize !== undefined) await poolIsFull(Number(poolSize));
    const began = nowNs();
    const worker = await bus.spawn(processOf(kind, templateName, "firstLine"));
    const calledAt = Number(await worker.result());
    check(worker);
    const parts = worker.startTimings;
    return { tookMs: (calledAt - began) / 1e6, ...(parts === undefined ? {} : { parts }) };
  },
  startOne: async () => {
    const worker = await bus.spawn(processOf(kind, templateName, "nothing"));
    await worker.join();
    check(worker);
  },
});
