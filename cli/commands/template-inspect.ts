import { Command } from "commander";
import { type Template } from "../../proto/gen/forkbus/v1/template.js";
import { forEachName, type OutputOptions, outputOption, withDaemon } from "../action.js";
import { addConnectionOptions } from "../connection-options.js";
import { type Invocation } from "../invocation.js";
import { jsonDocument } from "../output/json.js";
import { renderFields } from "../output/table.js";
import { templateJson } from "../output/template-json.js";
import { renderTemplateDetails, templateFields } from "../output/template-table.js";

export function templateInspectCommand(invocation: Invocation): Command {
  const command = new Command("inspect")
    .summary("show all that is known of templates")
    .description(
      "Shows all that is known of templates: the spec, the zygote with load times and memory, and why the\n" +
        "newest spec has failed. -o json writes an array, one element for each.",
    )
    .argument("<name...>", "names of templates")
    .addOption(outputOption());
  return addConnectionOptions(command).action(
    async (names: readonly string[], options: OutputOptions, self: Command) => {
      await withDaemon(invocation, self, "plain", async (client) => {
        const { screen } = invocation;
        const found: Template[] = [];
        const code = await forEachName(invocation, names, "plain", async (name) => {
          const { latest } = await client.templates.get(name);
          found.push(latest);
          if (options.output === "json") return;
          const gap = found.length === 1 ? "" : "\n";
          await screen.out(gap + renderFields(templateFields(latest), screen.paint));
          await screen.out(renderTemplateDetails(latest, screen.paint));
        });
        if (options.output === "json") await screen.out(jsonDocument(found.map(templateJson)));
        return code;
      });
    },
  );
}
