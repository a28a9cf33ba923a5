import { Command } from "commander";

/** `help COMMAND...`, of the commands of `root` and theirs: the same text as `COMMAND... --help`. */
export function helpCommand(root: Command): Command {
  return new Command("help")
    .argument("[command...]")
    .usage("[command...]")
    .summary("show the help of a command")
    .helpGroup("Help:")
    .action((words: readonly string[]) => {
      let found: Command = root;
      for (const word of words) {
        const next = found.commands.find((command) => command.name() === word);
        if (next === undefined) return found.error(`error: unknown command '${word}'`);
        found = next;
      }
      found.help();
    });
}
