import { Command, type CommanderError } from "commander";
import { commandNames, loadCommands } from "./catalog.js";
import { addConnectionOptions } from "./connection-options.js";
import { exitCode } from "./exit-code.js";
import { helpCommand } from "./help-command.js";
import { type Invocation } from "./invocation.js";
import { keepCloseSuggestions } from "./suggestions.js";

const examples = `
Examples:
  forkbus serve &                            start a daemon for yourself
  forkbus run -- make -j4                    run a command, as if it ran here
  ls | forkbus run -- sort -r                in a pipeline
  forkbus run -d --name web -- ./server      in the background
  forkbus logs -f web                        follow what it writes
  forkbus stop web                           end it, and all that it started
  forkbus run --python math:hypot --args '[3, 4]'
                                             call a function in a forked worker, and print its result
  forkbus template create np --runtime python --preload numpy
                                             a template: workers begin with numpy loaded
  forkbus queue create jobs                  make a queue,
  seq 100 | forkbus queue put jobs           put 100 items into it,
  forkbus queue get jobs -n 10               and get ten of them

The daemon's address: --address, then $FORKBUS_ADDRESS, then this user's own Unix socket.
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no daemon, 124 time ran out. run and wait end with the
worker's code, 128+N for signal N, and 125 when forkbus itself failed, 126 when the command cannot be run,
127 when there is none.
More about a command: forkbus COMMAND --help`;

/** The whole command line, ready to parse `argv`. Wrong usage throws a CommanderError after its message is written. */
export async function buildProgram(
  argv: readonly string[],
  invocation: Invocation,
): Promise<Command> {
  const program = new Command("forkbus")
    .description(
      "Multiprocessing as a service: workers, warm fork servers and queues, kept by a daemon.",
    )
    .usage("[options] COMMAND ...")
    .version(invocation.version, "-V, --version", "show the version of this program")
    .helpOption("-h, --help", "show this help")
    .enablePositionalOptions()
    .helpCommand(false)
    .addHelpText("after", examples)
    .exitOverride();
  addConnectionOptions(program);
  for (const command of await loadCommands(argv, invocation)) program.addCommand(command);
  program.addCommand(helpCommand(program));
  for (const command of withDescendants(program)) polish(command);
  return program;
}

/** The exit code for what commander threw: it has written its message, or the help that was asked for. */
export function codeOfCommanderError(error: CommanderError, argv: readonly string[]): number {
  if (error.exitCode === 0) return exitCode.ok;
  const command = argv.find((word) => word === "help" || commandNames.includes(word));
  return command === "run" || command === "wait" ? exitCode.notTheWorker : exitCode.usage;
}

function withDescendants(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap((child) => withDescendants(child))];
}

/** The texts after the options are made for it. */
const helpWidth = 108;

function polish(command: Command): void {
  command.exitOverride();
  if (command.name() !== "forkbus") command.helpOption("-h, --help", "show this help");
  command.configureOutput({
    getOutHelpWidth: () => helpWidth,
    getErrHelpWidth: () => helpWidth,
    outputError: (text, write) => {
      write(`forkbus: ${keepCloseSuggestions(text.replace(/^error: /, ""))}`);
    },
  });
  command.showHelpAfterError(`Try: ${pathOf(command)} --help`);
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}
