import { Command } from "commander";
import { type OutputOptions, outputOption, withDaemon } from "../action.js";
import { addConnectionOptions } from "../connection-options.js";
import { type Invocation } from "../invocation.js";
import { jsonDocument } from "../output/json.js";
import { queueJson } from "../output/queue-json.js";
import { queueColumns } from "../output/queue-table.js";
import { renderTable } from "../output/table.js";
import { collect } from "../parse/collect.js";
import { parseLabels } from "../parse/label.js";
import { listQueues } from "../resource-pages.js";

interface QueueLsOptions extends OutputOptions {
  readonly label?: readonly string[];
  readonly prefix?: string;
  readonly quiet?: boolean;
}

export function queueLsCommand(invocation: Invocation): Command {
  const command = new Command("ls")
    .summary("list queues")
    .description("Lists queues by name.")
    .option("-l, --label <key=value>", "only those with this label (repeatable)", collect)
    .option("-p, --prefix <prefix>", "only those whose names begin so")
    .option("-q, --quiet", "only names, one to a line")
    .addOption(outputOption());
  return addConnectionOptions(command).action(async (options: QueueLsOptions, self: Command) => {
    await withDaemon(invocation, self, "plain", async (client) => {
      const { screen } = invocation;
      const queues = await listQueues(client, {
        namePrefix: options.prefix ?? "",
        labels: parseLabels(options.label ?? []),
      });
      if (options.output === "json") await screen.out(jsonDocument(queues.map(queueJson)));
      else if (options.quiet === true) {
        await screen.out(queues.map((queue) => `${queue.name}\n`).join(""));
      } else await screen.out(renderTable(queueColumns, queues, screen.paint));
      return 0;
    });
  });
}
