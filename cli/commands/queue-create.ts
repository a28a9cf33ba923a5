import { Command, Option } from "commander";
import { FullPolicy } from "../../proto/gen/forkbus/v1/queue.js";
import { type OutputOptions, outputOption, withDaemon } from "../action.js";
import { answered } from "../answered.js";
import { addConnectionOptions } from "../connection-options.js";
import { type Invocation } from "../invocation.js";
import { jsonDocument } from "../output/json.js";
import { queueJson } from "../output/queue-json.js";
import { collect } from "../parse/collect.js";
import { parseLabels } from "../parse/label.js";
import { parseBytes, parseWholeNumber } from "../parse/whole-number.js";

interface QueueCreateOptions extends OutputOptions {
  readonly maxItems?: string;
  readonly maxBytes?: string;
  readonly full: "wait" | "refuse";
  readonly label?: readonly string[];
}

/** Where a daemon does not say how large a queue may be. */
const usualQueueBytes = 256n << 20n;

export function queueCreateCommand(invocation: Invocation): Command {
  const command = new Command("create")
    .summary("make a queue")
    .description(
      "Makes a queue and prints its name. One of that name with the same settings is fine as it is; with\n" +
        "others it is an error.",
    )
    .argument("[name]", "name of the queue (default: the daemon makes one)")
    .option("--max-items <n>", "most items at once (default: no limit)")
    .option(
      "--max-bytes <bytes>",
      "most bytes of items at once, such as 64MiB; units are powers of 1024: M, MB and MiB are the same\n" +
        "(default: the most that the daemon takes, 256MiB)",
    )
    .addOption(
      new Option("--full <what>", "what a put does when the queue is full: wait for room, or fail")
        .choices(["wait", "refuse"])
        .default("wait"),
    )
    .option("-l, --label <key=value>", "label to find it by (repeatable)", collect)
    .addOption(outputOption());
  return addConnectionOptions(command).action(
    async (name: string | undefined, options: QueueCreateOptions, self: Command) => {
      await withDaemon(invocation, self, "plain", async (client) => {
        const { maxItems, maxBytes, full, label, output } = options;
        const most = Number.MAX_SAFE_INTEGER;
        const mostBytes = client.server.limits?.maxQueueBytes ?? usualQueueBytes;
        const response = await client.queues.createQueue({
          queue: {
            name: name ?? "",
            labels: parseLabels(label ?? []),
            spec: {
              maxItems: BigInt(
                maxItems === undefined ? 0 : parseWholeNumber("--max-items", maxItems, 1, most),
              ),
              maxBytes:
                maxBytes === undefined ? 0n : parseBytes("--max-bytes", maxBytes, 1n, mostBytes),
              fullPolicy: full === "refuse" ? FullPolicy.REJECT : FullPolicy.BLOCK,
            },
          },
        });
        const queue = answered(response.queue, "queue");
        await invocation.screen.out(
          output === "json" ? jsonDocument(queueJson(queue)) : `${queue.name}\n`,
        );
        return 0;
      });
    },
  );
}
