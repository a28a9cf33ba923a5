import { constants } from "node:os";
import process from "node:process";
import { Command } from "commander";
import { type Client } from "../../client/typescript/client.js";
import { UnavailableError } from "../../client/typescript/errors.js";
import { withDaemon } from "../action.js";
import { attach, type Detached } from "../attached-worker.js";
import { addConnectionOptions } from "../connection-options.js";
import { isLocal } from "../daemon-connection.js";
import { addFunctionOptions } from "../function-options.js";
import { type Invocation } from "../invocation.js";
import { collect } from "../parse/collect.js";
import { runHelp } from "../run-help.js";
import { type RunOptions, workerOptions } from "../run-options.js";
import { SignalSource } from "../signal-source.js";
import { addTreeLimitOptions } from "../tree-limits.js";

/** commander lets the later of the two win, in silence. */
function excludeEachOther(command: Command, ...names: readonly string[]): void {
  const given = new Set<string>();
  for (const name of names) {
    command.on(`option:${name}`, () => {
      given.add(name);
      if (given.size > 1) {
        command.error(`${names.map((each) => `--${each}`).join(" and ")} exclude each other`);
      }
    });
  }
}

export function runCommand(invocation: Invocation): Command {
  const command = new Command("run")
    .description("Runs a command, or calls a function, as a worker of the daemon.")
    .argument(
      "[command...]",
      "the program and its arguments; -- before it is only needed where it begins with a dash",
    )
    .passThroughOptions()
    .option(
      "-d, --detach",
      "print the worker's name as soon as its program runs, and leave it running",
    )
    .option("--rm", "remove its record and output at the end")
    .option("-n, --name <name>", "name of the worker (default: the daemon makes one)")
    .option("-l, --label <key=value>", "label to find it by (repeatable)", collect)
    .option(
      "-c, --cpus <cpus>",
      "a number: pinned to so many CPUs (default: 1); 0: not pinned; a list such as 0,2-3 or 1-1: these; " +
        "exclusive:N or exclusive:N:spread (compact, full-core): so many for it alone",
    )
    .option(
      "--cpus-wait <time>",
      "how long to wait for exclusive CPUs, after those who asked before, such as 30s. Default: fail",
    )
    .option(
      "-e, --env <name[=value]>",
      "variable for the worker; without a value, as it is here, if it is set (repeatable)",
      collect,
    )
    .option(
      "-C, --cwd <dir>",
      "directory to run in (default: this one; with tcp:// the daemon's /)",
    )
    .option("-u, --user <user>", "user to run as, where the keeper's policy allows it")
    .option(
      "--rlimit <name=soft[:hard]>",
      "kernel limit such as nofile=1024:2048 or core=unlimited (repeatable)",
      collect,
    )
    .option("--umask <mask>", "file mode creation mask in octal (default: 022)")
    .option("--merge-stderr", "stderr goes where stdout goes, which keeps the exact order of both")
    .option(
      "--keep-output <size>",
      "what is kept of stdout and of stderr, each, such as 4GiB; the oldest goes first (default: 1GiB, and\n" +
        "with --detach the daemon's, 64MiB). Units are powers of 1024: K, KB and KiB are the same",
    )
    .option("-i, --stdin", "pass stdin on although it is a terminal")
    .option("--no-stdin", "leave stdin alone: the worker reads an empty one")
    .addHelpText("after", runHelp);
  addFunctionOptions(command);
  addTreeLimitOptions(command);
  excludeEachOther(command, "stdin", "no-stdin");
  excludeEachOther(command, "python", "node");
  return addConnectionOptions(command).action(
    async (argv: readonly string[], options: RunOptions, self: Command) => {
      if (argv.length === 0 && options.python === undefined && options.node === undefined) {
        self.error("error: nothing to run: give a command, --python or --node");
      }
      const signals = new SignalSource(process, (action) => {
        // Nothing is there yet that could be lost by ending here: a worker that is being started runs on.
        if (action.kind === "leave") process.exit(128 + constants.signals[action.signal]);
      });
      try {
        await withDaemon(invocation, self, "worker", (client) =>
          run(invocation, client, argv, options, signals),
        );
      } finally {
        signals[Symbol.dispose]();
      }
    },
  );
}

async function run(
  invocation: Invocation,
  client: Client,
  argv: readonly string[],
  options: RunOptions,
  signals: SignalSource,
): Promise<number> {
  const place = {
    isLocal: isLocal(client.address),
    workingDir: invocation.workingDir,
    env: invocation.env,
    stdinIsTerminal: invocation.stdin.isTerminal,
  };
  const wanted = workerOptions(argv, options, place);
  const worker = client.process(wanted);
  await worker.start();
  if (options.detach === true) {
    await invocation.screen.out(`${worker.name}\n`);
    return 0;
  }
  let detached: Detached;
  try {
    detached = await attach(worker, {
      invocation,
      signals,
      stdin: wanted.openStdin === true ? invocation.stdin.stream() : undefined,
      streams: wanted.mergeStderr === true ? ["stdout"] : ["stdout", "stderr"],
      hasResult: wanted.python !== undefined || wanted.node !== undefined,
    });
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error;
    throw new UnavailableError(`${error.message}; the worker ${worker.name} was left running`, {
      code: "UNAVAILABLE",
      cause: error,
    });
  }
  if (options.rm === true && detached.ended) await worker.delete({ force: true });
  return detached.code;
}
