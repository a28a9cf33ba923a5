import { Command } from "commander";
import { type StreamName } from "../../client/typescript/logs.js";
import { type OutputOptions, outputOption, withDaemon } from "../action.js";
import { addConnectionOptions } from "../connection-options.js";
import { type Invocation } from "../invocation.js";
import { writeLogEvent, writeLogLine } from "../output/log-events.js";
import { parseWholeNumber } from "../parse/whole-number.js";
import { UsageError } from "../usage-error.js";

interface LogsOptions extends OutputOptions {
  readonly follow?: boolean;
  readonly lines?: string;
  readonly stdout?: boolean;
  readonly stderr?: boolean;
}

const mostLines = 1_000_000;

export function logsCommand(invocation: Invocation): Command {
  const command = new Command("logs")
    .description(
      "Writes what a worker wrote, byte by byte: its stdout to stdout, its stderr to stderr. Both were kept\n" +
        "apart, so how their lines lie to each other in time is not known (see run --merge-stderr).",
    )
    .argument("<name>", "name of the worker")
    .option("-f, --follow", "go on until the worker and all its descendants have ended")
    .option("-n, --lines <n>", "begin with the last n lines of each stream; 0: only what comes now")
    .option("--stdout", "only stdout")
    .option("--stderr", "only stderr")
    .addOption(outputOption())
    .addHelpText(
      "after",
      "\nWhere bytes are missing because more was written than is kept, a line on stderr says so.\n" +
        "-o json writes one line for each piece: stream, epoch, offset, and text or base64.",
    );
  return addConnectionOptions(command).action(
    async (name: string, options: LogsOptions, self: Command) => {
      await withDaemon(invocation, self, "plain", async (client) => {
        const stream = chooseStream(options);
        const tailLines =
          options.lines === undefined
            ? undefined
            : parseWholeNumber("--lines", options.lines, 0, mostLines);
        const process = await client.attach(name);
        const events = process.logs({
          follow: options.follow === true,
          ...(stream === undefined ? {} : { stream }),
          ...(tailLines === undefined ? {} : { tailLines }),
        });
        const write = options.output === "json" ? writeLogLine : writeLogEvent;
        for await (const event of events) await write(invocation.screen, event);
        return 0;
      });
    },
  );
}

function chooseStream({ stdout, stderr }: LogsOptions): StreamName | undefined {
  if (stdout === true && stderr === true) {
    throw new UsageError("--stdout and --stderr exclude each other; without either both are shown");
  }
  if (stdout === true) return "stdout";
  return stderr === true ? "stderr" : undefined;
}
