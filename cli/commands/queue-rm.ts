import { Command } from "commander";
import { NotFoundError } from "../../client/typescript/errors.js";
import { forEachName, withDaemon } from "../action.js";
import { answered } from "../answered.js";
import { addConnectionOptions } from "../connection-options.js";
import { type Invocation } from "../invocation.js";

interface QueueRmOptions {
  readonly force?: boolean;
  readonly ifEmpty?: boolean;
}

export function queueRmCommand(invocation: Invocation): Command {
  const command = new Command("rm")
    .summary("remove queues")
    .description("Removes queues with their items. Whoever waits at one of them fails.")
    .argument("<name...>", "names of queues")
    .option("-f, --force", "no error where there is none")
    .option("--if-empty", "fail for a queue that has items");
  return addConnectionOptions(command).action(
    async (names: readonly string[], options: QueueRmOptions, self: Command) => {
      await withDaemon(invocation, self, "plain", async (client) =>
        forEachName(invocation, names, "plain", async (name) => {
          try {
            // Deleting what is not there is no error to the daemon, but most likely a mistyped name here.
            const { queue } = await client.queues.getQueue({ name });
            const { uid } = answered(queue, "queue");
            await client.queues.deleteQueue({ name, uid, onlyIfEmpty: options.ifEmpty === true });
          } catch (error) {
            if (!(options.force === true && error instanceof NotFoundError)) throw error;
          }
        }),
      );
    },
  );
}
