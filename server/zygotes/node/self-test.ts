import { once } from "node:events";
import { writeSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { repairProcess } from "./process-repairs.js";
import { printThrown } from "./thrown.js";
import { type ZygoteAddon } from "./zygote-addon.js";

const PATIENCE_MS = 10_000;
/** No other way to end gives this one. */
const WELL = 42;

/**
 * Whether a child of this process works: it fetches from a server of its own, which takes the event loop, sockets,
 * WebAssembly and V8's threads, runs a worker thread, and comes to its natural end. Why not; empty when it does. In
 * the child it never settles.
 */
export function selfTest(addon: ZygoteAddon): Promise<string> {
  return new Promise((resolve) => {
    // In a turn in which no event is being dealt with.
    setImmediate(() => {
      const child = addon.forkChild();
      if (child === 0) {
        repairProcess(addon);
        void exercise();
      } else {
        resolve(verdict(child < 0 ? child : addon.waitFor(child, PATIENCE_MS)));
      }
    });
  });
}

function verdict(answer: number): string {
  if (answer === WELL) return "";
  if (answer > 128) return `a forked process was ended by signal ${answer - 128} in the self-test`;
  if (answer >= 0) return `a forked process ended with code ${answer} in the self-test`;
  return `a forked process could not be made, or did not end, in the self-test (errno ${-answer})`;
}

async function exercise(): Promise<void> {
  // What is to be done at the end of workers is not to be done at this one's.
  for (const event of ["exit", "beforeExit"]) process.removeAllListeners(event);
  try {
    // Not above: what loads TLS in the zygote starts a thread there that reads certificates (from Node 25 on).
    const { createServer } = await import("node:http");
    const server = createServer((_request, response) => response.end("forked"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("A server without a port");
    const response = await fetch(`http://127.0.0.1:${address.port}/`);
    const text = await response.text();
    server.closeAllConnections();
    server.close();
    const thread = new Worker("require('worker_threads').parentPort.postMessage(6 * 7)", {
      eval: true,
    });
    // Both at once: they may come in one turn.
    const [[answer]] = await Promise.all([answerOf(thread), once(thread, "exit")]);
    process.exitCode = text === "forked" && answer === 42 ? WELL : 1;
  } catch (error) {
    writeSync(2, `The self-test of a forked process failed: ${printThrown(error)}\n`);
    process.exit(1);
  }
}

async function answerOf(thread: Worker): Promise<readonly unknown[]> {
  return once(thread, "message");
}
