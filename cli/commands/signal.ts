import { Command } from "commander";
import { SignalScope } from "../../proto/gen/forkbus/v1/process.js";
import { forEachName, withDaemon } from "../action.js";
import { addConnectionOptions } from "../connection-options.js";
import { type Invocation } from "../invocation.js";

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
        const scope = options.tree === true ? SignalScope.TREE : SignalScope.WORKER;
        return forEachName(invocation, names, "plain", async (name) => {
          await client.processes.signalProcess({ name, signal: signal.toUpperCase(), scope });
        });
      });
    },
  );
}
