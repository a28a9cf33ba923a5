import { Command } from "commander";
import { NotFoundError } from "../../client/typescript/errors.js";
import { forEachName, withDaemon } from "../action.js";
import { answered } from "../answered.js";
import { addConnectionOptions } from "../connection-options.js";
import { type Invocation } from "../invocation.js";

interface RmOptions {
  readonly force?: boolean;
}

export function rmCommand(invocation: Invocation): Command {
  const command = new Command("rm")
    .description("Removes the records and the output of workers that have ended.")
    .argument("<name...>", "names of workers")
    .option(
      "-f, --force",
      "also of those that are alive, which are killed; and no error where there is none",
    );
  return addConnectionOptions(command).action(
    async (names: readonly string[], options: RmOptions, self: Command) => {
      await withDaemon(invocation, self, "plain", async (client) => {
        const force = options.force === true;
        return forEachName(invocation, names, "plain", async (name) => {
          try {
            // Deleting what is not there is no error to the daemon, but most likely a mistyped name here.
            const { process } = await client.processes.getProcess({ name });
            const { uid } = answered(process, "process");
            await client.processes.deleteProcess({ name, uid, force });
          } catch (error) {
            if (!(force && error instanceof NotFoundError)) throw error;
          }
        });
      });
    },
  );
}
