import { type Readable } from "node:stream";
import { Command } from "commander";
import { type Client } from "../../client/typescript/client.js";
import { ForkbusError, InvalidArgumentError, QueueFull } from "../../client/typescript/errors.js";
import { type Queue } from "../../client/typescript/queue.js";
import { FullPolicy } from "../../proto/gen/forkbus/v1/queue.js";
import { withDaemon } from "../action.js";
import { addConnectionOptions } from "../connection-options.js";
import { exitCode } from "../exit-code.js";
import { failureOf } from "../failure.js";
import { Interruption } from "../interruption.js";
import { type Invocation } from "../invocation.js";
import { ItemSplitter } from "../item-splitter.js";
import { plural } from "../output/human.js";
import { parseDurationMs } from "../parse/duration.js";

interface QueuePutOptions {
  readonly null?: boolean;
  readonly timeout?: string;
}

/** Where a daemon does not say how large an item may be. */
const usualItemBytes = 1 << 20;

export function queuePutCommand(invocation: Invocation): Command {
  const command = new Command("put")
    .summary("put items: the arguments, or the lines of stdin")
    .description(
      "Puts the arguments as items, or each line of stdin, without its newline, when there are none. Lines\n" +
        "are put as they come.",
    )
    .argument("<name>", "name of the queue")
    .argument("[item...]", "items; -- before the first that begins with a dash")
    .option("-0, --null", "items on stdin end with a NUL, not with a newline")
    .option("-t, --timeout <time>", "fail when there is no room for this long (default: wait)")
    .addHelpText(
      "after",
      "\nExit code: 0 when all items are in the queue; 124 when time ran out, and 1 when the queue refuses, is\n" +
        "shut down or gone: then stderr says how many are in it, always the first. 130 after ^C.",
    );
  return addConnectionOptions(command).action(
    async (name: string, items: readonly string[], options: QueuePutOptions, self: Command) => {
      await withDaemon(invocation, self, "plain", async (client) => {
        using interruption = new Interruption();
        const { signal } = interruption;
        const timeoutMs =
          options.timeout === undefined ? undefined : parseDurationMs("--timeout", options.timeout);
        let stored = 0;
        const onPut = (count: number): void => {
          stored += count;
        };
        const wait = { signal, onPut, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
        try {
          const queue = await client.openQueue(name, { signal });
          if (items.length > 0) {
            await queue.putMany(
              items.map((item) => Buffer.from(item)),
              wait,
            );
            return 0;
          }
          const limit = Number(client.server.limits?.maxItemBytes ?? usualItemBytes);
          const splitter = new ItemSplitter(options.null === true ? "\0" : "\n");
          await putAll(queue, invocation.stdin.stream(), splitter, { ...wait, limit });
          return 0;
        } catch (error) {
          if (signal.aborted && interruption.exitCode !== undefined) return interruption.exitCode;
          if (!(error instanceof ForkbusError)) throw error;
          const { sentence = "", code } = failureOf(error, "plain");
          const verb = stored === 1 ? "was" : "were";
          await invocation.screen.err(
            `forkbus: ${sentence}; ${plural(stored, "item")} ${verb} put before that\n`,
          );
          const isTime = error instanceof QueueFull && timeoutMs !== undefined;
          return isTime && (await waitsForRoom(client, name)) ? exitCode.timedOut : code;
        }
      });
    },
  );
}

/** Whether a put into a full queue waits; a queue that refuses does so at once, and not because of the time. */
async function waitsForRoom(client: Client, name: string): Promise<boolean> {
  const { queue } = await client.queues.getQueue({ name });
  return queue?.spec?.fullPolicy !== FullPolicy.REJECT;
}

async function putAll(
  queue: Queue<Uint8Array>,
  stdin: Readable,
  splitter: ItemSplitter,
  wait: {
    readonly signal: AbortSignal;
    readonly onPut: (count: number) => void;
    readonly timeoutMs?: number;
    readonly limit: number;
  },
): Promise<void> {
  const stop = (): void => {
    stdin.destroy();
  };
  wait.signal.addEventListener("abort", stop);
  try {
    for await (const chunk of stdin) {
      if (!(chunk instanceof Uint8Array)) throw new TypeError("The input is not read as bytes");
      await queue.putMany(splitter.push(chunk), wait);
      if (splitter.pendingBytes > wait.limit) {
        throw new InvalidArgumentError(
          `An item on stdin is longer than ${wait.limit} bytes, the most there may be`,
          { code: "INVALID_ARGUMENT" },
        );
      }
    }
    wait.signal.throwIfAborted();
    await queue.putMany(splitter.end(), wait);
  } finally {
    wait.signal.removeEventListener("abort", stop);
  }
}
