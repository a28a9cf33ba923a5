import { Command } from "commander";
import { forEachName, withDaemon } from "../action.js";
import { addConnectionOptions } from "../connection-options.js";
import { type Invocation } from "../invocation.js";

interface QueueShutdownOptions {
  readonly now?: boolean;
}

export function queueShutdownCommand(invocation: Invocation): Command {
  const command = new Command("shutdown")
    .summary("end putting for good; gets go on until a queue is empty")
    .description(
      "Ends putting for good. Gets go on until a queue is empty, then they end: so does get --follow. The\n" +
        "queue itself stays until rm.",
    )
    .argument("<name...>", "names of queues")
    .option("--now", "drop the items that are there");
  return addConnectionOptions(command).action(
    async (names: readonly string[], options: QueueShutdownOptions, self: Command) => {
      await withDaemon(invocation, self, "plain", async (client) =>
        forEachName(invocation, names, "plain", async (name) => {
          await client.queues.shutdownQueue({ name, immediate: options.now === true });
        }),
      );
    },
  );
}
