import { constants } from "node:os";
import { Command } from "commander";
import { SignalScope } from "../../proto/gen/forkbus/v1/process.js";
import { forEachName, withDaemon } from "../action.js";
import { addConnectionOptions } from "../connection-options.js";
import { type Invocation } from "../invocation.js";
import { UsageError } from "../usage-error.js";

interface SignalOptions {
  readonly tree?: boolean;
}

export function signalCommand(invocation: Invocation): Command {
  const command = new Command("signal")
    .description(
      "Sends a signal to workers, never to anybody else: a worker that has ended is an error, even if its\n" +
        "process id is in use again.",
    )
    .argument("<signal>", "such as TERM, SIGUSR1, SIGRTMIN+3 or 15")
    .argument("<name...>", "names of workers")
    .option("-t, --tree", "to each worker and all its descendants");
  return addConnectionOptions(command).action(
    async (signal: string, names: readonly string[], options: SignalOptions, self: Command) => {
      await withDaemon(invocation, self, "plain", async (client) => {
        checkSignal(signal, names);
        const scope = options.tree === true ? SignalScope.TREE : SignalScope.WORKER;
        return forEachName(invocation, names, "plain", async (name) => {
          await client.processes.signalProcess({ name, signal: signal.toUpperCase(), scope });
        });
      });
    },
  );
}

function checkSignal(signal: string, names: readonly string[]): void {
  if (isSignal(signal)) return;
  const swapped = names.find(isSignal);
  const hint =
    swapped === undefined ? "" : `; the signal comes first: forkbus signal ${swapped} ${signal}`;
  throw new UsageError(`There is no signal "${signal}"${hint}`);
}

/** The daemon knows exactly; this is for words that cannot be meant as one. */
function isSignal(text: string): boolean {
  const name = text.toUpperCase().replace(/^SIG/, "");
  return /^(?:\d+|RTM(?:IN|AX)(?:[+-]\d+)?)$/.test(name) || `SIG${name}` in constants.signals;
}
