import { Command } from "commander";
import { forEachName, withDaemon } from "../action.js";
import { addConnectionOptions } from "../connection-options.js";
import { type Invocation } from "../invocation.js";

export function releaseCommand(invocation: Invocation): Command {
  const command = new Command("release")
    .description(
      "Tells workers that serve forks to stop doing so and to go on with their own work. Those that were\n" +
        "forked from them live on. A worker that serves none is an error.",
    )
    .argument("<name...>", "names of workers");
  return addConnectionOptions(command).action(
    async (names: readonly string[], _options: unknown, self: Command) => {
      await withDaemon(invocation, self, "plain", async (client) =>
        forEachName(invocation, names, "plain", async (name) => {
          await client.processes.releaseProcess({ name });
        }),
      );
    },
  );
}
