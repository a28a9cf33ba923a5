import { Command } from "commander";
import { addConnectionOptions } from "../connection-options.js";
import { helpCommand } from "../help-command.js";
import { type Invocation } from "../invocation.js";
import { templateCreateCommand } from "./template-create.js";
import { templateInspectCommand } from "./template-inspect.js";
import { templateLsCommand } from "./template-ls.js";
import { templateRmCommand } from "./template-rm.js";

export function templateCommand(invocation: Invocation): Command {
  const commands = [
    templateCreateCommand,
    templateLsCommand,
    templateInspectCommand,
    templateRmCommand,
  ];
  const template = new Command("template").description(
    "Templates: recipes for zygotes, single-threaded processes of Python or Node that have loaded everything already.\n" +
      "Workers are forked from them in a few milliseconds: forkbus run --python MODULE:FUNCTION --template NAME.",
  );
  for (const command of commands) template.addCommand(command(invocation));
  template.helpCommand(false).addCommand(helpCommand(template));
  return addConnectionOptions(template).enablePositionalOptions();
}
