import { Command } from "commander";
import { QueueShutDown, UnavailableError } from "../../client/typescript/errors.js";
import { type Queue } from "../../client/typescript/queue.js";
import { outputOption, type OutputOptions, withDaemon } from "../action.js";
import { addConnectionOptions } from "../connection-options.js";
import { exitCode } from "../exit-code.js";
import { Interruption } from "../interruption.js";
import { type Invocation } from "../invocation.js";
import { type ItemFormat, itemWriter } from "../output/item-writer.js";
import { parseDurationMs } from "../parse/duration.js";
import { parseWholeNumber } from "../parse/whole-number.js";
import { UsageError } from "../usage-error.js";

interface QueueGetOptions extends OutputOptions {
  readonly count?: string;
  readonly all?: boolean;
  readonly follow?: boolean;
  readonly timeout?: string;
  readonly null?: boolean;
  readonly raw?: boolean;
}

interface Wanted {
  readonly count: number;
  readonly timeoutMs: number | undefined;
  readonly signal: AbortSignal;
  readonly write: (item: Uint8Array) => Promise<void>;
}

/** Items asked for at once: what is lost if this program is killed before it has written them. */
const batch = 32;

export function queueGetCommand(invocation: Invocation): Command {
  const command = new Command("get")
    .summary("get items and write them to stdout")
    .description("Gets items, and writes each to stdout as it is, with a newline after it.")
    .argument("<name>", "name of the queue")
    .option("-n, --count <n>", "so many items (default: 1)")
    .option("-a, --all", "all that are there now; fine if there are none")
    .option("-f, --follow", "go on until the queue is shut down and empty")
    .option(
      "-t, --timeout <time>",
      "wait no longer than this; 0: take only what is there (default: wait)",
    )
    .option("-0, --null", "a NUL after each item, not a newline")
    .option("--raw", "nothing after an item")
    .addOption(outputOption())
    .addHelpText(
      "after",
      "\nExit code: 0 when all that was asked for has come; 124 when time ran out before; 1 when the queue is\n" +
        "gone, or shut down and empty (0 with --all and --follow); 130 after ^C, which loses no item.\n" +
        "-o json writes one line for each item: text, or base64 where it is no UTF-8.",
    );
  return addConnectionOptions(command).action(
    async (name: string, options: QueueGetOptions, self: Command) => {
      await withDaemon(invocation, self, "plain", async (client) => {
        using interruption = new Interruption();
        const { signal } = interruption;
        const wanted: Wanted = {
          count:
            options.count === undefined ? 1 : parseWholeNumber("--count", options.count, 1, 1e9),
          timeoutMs:
            options.timeout === undefined
              ? undefined
              : parseDurationMs("--timeout", options.timeout),
          signal,
          write: itemWriter(invocation.screen, itemFormat(options)),
        };
        checkModes(options);
        try {
          const queue = await client.openQueue(name, { signal });
          if (options.follow === true) return await follow(queue, wanted);
          return options.all === true ? await getAll(queue, wanted) : await getSome(queue, wanted);
        } catch (error) {
          if (interruption.exitCode !== undefined && error === signal.reason) {
            return interruption.exitCode;
          }
          if (error instanceof UnavailableError) throw wentAway(error);
          throw error;
        }
      });
    },
  );
}

function wentAway(cause: UnavailableError): UnavailableError {
  return new UnavailableError(
    `The daemon went away; of the items that were on their way here, at most the ${batch} of one answer may be lost (${cause.message})`,
    { code: "UNAVAILABLE", cause },
  );
}

async function getSome(queue: Queue<Uint8Array>, wanted: Wanted): Promise<number> {
  const { count, timeoutMs, signal, write } = wanted;
  const deadline = timeoutMs === undefined ? undefined : performance.now() + timeoutMs;
  for (let left = count; left > 0;) {
    const wait =
      deadline === undefined ? {} : { timeoutMs: Math.max(0, deadline - performance.now()) };
    const items = await queue.getMany(Math.min(left, batch), { ...wait, signal });
    if (items.length === 0) return exitCode.timedOut;
    for (const item of items) await write(item);
    left -= items.length;
  }
  return 0;
}

async function getAll(queue: Queue<Uint8Array>, { signal, write }: Wanted): Promise<number> {
  try {
    for (;;) {
      const items = await queue.getMany(batch, { timeoutMs: 0, signal });
      if (items.length === 0) return 0;
      for (const item of items) await write(item);
    }
  } catch (error) {
    if (error instanceof QueueShutDown) return 0;
    throw error;
  }
}

async function follow(queue: Queue<Uint8Array>, { signal, write }: Wanted): Promise<number> {
  for await (const item of queue.items({ signal })) await write(item);
  return 0;
}

function itemFormat(options: QueueGetOptions): ItemFormat {
  if (options.output === "json") return "json";
  if (options.raw === true) return "raw";
  return options.null === true ? "nul" : "line";
}

function checkModes(options: QueueGetOptions): void {
  const { count, all, follow, timeout, null: nul, raw, output } = options;
  if ([count !== undefined, all === true, follow === true].filter(Boolean).length > 1) {
    throw new UsageError("--count, --all and --follow exclude each other");
  }
  if (timeout !== undefined && (all === true || follow === true)) {
    throw new UsageError("--timeout goes with --count, not with --all or --follow");
  }
  if ([nul === true, raw === true, output === "json"].filter(Boolean).length > 1) {
    throw new UsageError("--null, --raw and -o json exclude each other");
  }
}
