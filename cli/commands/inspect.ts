import { Command } from "commander";
import { type Process } from "../../proto/gen/forkbus/v1/process.js";
import { forEachName, type OutputOptions, outputOption, withDaemon } from "../action.js";
import { answered } from "../answered.js";
import { addConnectionOptions } from "../connection-options.js";
import { type Invocation } from "../invocation.js";
import { renderTraceback } from "../output/function-fields.js";
import { jsonDocument } from "../output/json.js";
import { processFields } from "../output/process-fields.js";
import { processJson } from "../output/process-json.js";
import { renderFields } from "../output/table.js";

export function inspectCommand(invocation: Invocation): Command {
  const command = new Command("inspect")
    .description(
      "Shows all that is known of workers. -o json writes an array, one element for each.",
    )
    .argument("<name...>", "names of workers")
    .addOption(outputOption());
  return addConnectionOptions(command).action(
    async (names: readonly string[], options: OutputOptions, self: Command) => {
      await withDaemon(invocation, self, "plain", async (client) => {
        const { screen } = invocation;
        const found: Process[] = [];
        const code = await forEachName(invocation, names, "plain", async (name) => {
          const { process } = await client.processes.getProcess({ name });
          const one = answered(process, "process");
          found.push(one);
          if (options.output === "json") return;
          const gap = found.length === 1 ? "" : "\n";
          await screen.out(gap + renderFields(processFields(one), screen.paint));
          await screen.out(renderTraceback(one, screen.paint));
        });
        if (options.output === "json") await screen.out(jsonDocument(found.map(processJson)));
        return code;
      });
    },
  );
}
