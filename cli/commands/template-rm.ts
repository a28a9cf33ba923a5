import { Command } from "commander";
import { NotFoundError } from "../../client/typescript/errors.js";
import { forEachName, withDaemon } from "../action.js";
import { addConnectionOptions } from "../connection-options.js";
import { type Invocation } from "../invocation.js";

interface TemplateRmOptions {
  readonly force?: boolean;
}

export function templateRmCommand(invocation: Invocation): Command {
  const command = new Command("rm")
    .summary("remove templates")
    .description(
      "Removes templates and ends their zygotes; workers live on. One that another is based on stays.",
    )
    .argument("<name...>", "names of templates")
    .option("-f, --force", "no error where there is none");
  return addConnectionOptions(command).action(
    async (names: readonly string[], options: TemplateRmOptions, self: Command) => {
      await withDaemon(invocation, self, "plain", async (client) =>
        forEachName(invocation, names, "plain", async (name) => {
          try {
            // Deleting what is not there is no error to the daemon, but most likely a mistyped name here.
            await (await client.templates.get(name)).delete();
          } catch (error) {
            if (!(options.force === true && error instanceof NotFoundError)) throw error;
          }
        }),
      );
    },
  );
}
