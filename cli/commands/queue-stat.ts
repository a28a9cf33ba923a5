import { Command } from "commander";
import { type Queue } from "../../proto/gen/forkbus/v1/queue.js";
import { forEachName, type OutputOptions, outputOption, withDaemon } from "../action.js";
import { answered } from "../answered.js";
import { addConnectionOptions } from "../connection-options.js";
import { type Invocation } from "../invocation.js";
import { jsonDocument } from "../output/json.js";
import { queueJson } from "../output/queue-json.js";
import { queueFields } from "../output/queue-table.js";
import { renderFields } from "../output/table.js";

export function queueStatCommand(invocation: Invocation): Command {
  const command = new Command("stat")
    .summary("show all that is known of queues")
    .description(
      "Shows all that is known of queues. -o json writes an array, one element for each.",
    )
    .argument("<name...>", "names of queues")
    .addOption(outputOption());
  return addConnectionOptions(command).action(
    async (names: readonly string[], options: OutputOptions, self: Command) => {
      await withDaemon(invocation, self, "plain", async (client) => {
        const { screen } = invocation;
        const found: Queue[] = [];
        const code = await forEachName(invocation, names, "plain", async (name) => {
          const { queue } = await client.queues.getQueue({ name });
          const one = answered(queue, "queue");
          found.push(one);
          if (options.output === "json") return;
          const gap = found.length === 1 ? "" : "\n";
          await screen.out(gap + renderFields(queueFields(one), screen.paint));
        });
        if (options.output === "json") await screen.out(jsonDocument(found.map(queueJson)));
        return code;
      });
    },
  );
}
