import { spawn } from "node:child_process";
import { access } from "node:fs/promises";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

/** The server's program lies beside this one in the package; it is started, never imported. */
const serverProgram = fileURLToPath(new URL("../server/main.js", import.meta.url));

const passedOn = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR2"] as const;

/**
 * Runs the server with our own terminal, input and output, and passes signals on to it. Resolves to the code that it
 * exits with, 128+N for signal N.
 */
export async function runServer(args: readonly string[]): Promise<number> {
  try {
    await access(serverProgram);
  } catch (error) {
    throw new Error(`The server's program is not there: ${serverProgram}; is forkbus built?`, {
      cause: error,
    });
  }
  const child = spawn(process.execPath, [...process.execArgv, serverProgram, ...args], {
    stdio: "inherit",
    // A session of its own: ^C reaches it once, from us, and not a second time from the terminal.
    detached: true,
  });
  const forward = (signal: NodeJS.Signals): void => {
    child.kill(signal);
  };
  for (const signal of passedOn) process.on(signal, forward);
  try {
    return await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => {
        resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
      });
    });
  } finally {
    for (const signal of passedOn) process.off(signal, forward);
  }
}
