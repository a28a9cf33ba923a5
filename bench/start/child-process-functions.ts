// Has workers of child_process.fork load the file of functions that the argument names, and call the first.
import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { packageRoot } from "../../server/kernel/package-root.js";
import { driveFunctions, type FirstLine, nowNs } from "./first-lines.js";

const program = join(packageRoot, "bench/start/child-process-worker.cjs");
const [file = ""] = process.argv.slice(2);

async function firstLine(): Promise<FirstLine> {
  const began = nowNs();
  const child = fork(program, [file]);
  const ended = once(child, "exit");
  let calledAt = NaN;
  child.once("message", (message) => {
    calledAt = Number(message);
  });
  await ended;
  if (child.exitCode !== 0) throw new Error(`${file}: exit code ${child.exitCode ?? "none"}`);
  return { tookMs: (calledAt - began) / 1e6 };
}

await driveFunctions({
  firstLine,
  startOne: async () => {
    await firstLine();
  },
});
