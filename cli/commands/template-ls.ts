import { Command } from "commander";
import { type OutputOptions, outputOption, withDaemon } from "../action.js";
import { addConnectionOptions } from "../connection-options.js";
import { type Invocation } from "../invocation.js";
import { jsonDocument } from "../output/json.js";
import { renderTable } from "../output/table.js";
import { templateJson } from "../output/template-json.js";
import { templateColumns } from "../output/template-table.js";
import { collect } from "../parse/collect.js";
import { parseLabels } from "../parse/label.js";
import { listTemplates } from "../resource-pages.js";

interface TemplateLsOptions extends OutputOptions {
  readonly label?: readonly string[];
  readonly prefix?: string;
  readonly quiet?: boolean;
}

export function templateLsCommand(invocation: Invocation): Command {
  const command = new Command("ls")
    .summary("list templates")
    .description("Lists templates by name; python and node are always there.")
    .option("-l, --label <key=value>", "only those with this label (repeatable)", collect)
    .option("-p, --prefix <prefix>", "only those whose names begin so")
    .option("-q, --quiet", "only names, one to a line")
    .addOption(outputOption());
  return addConnectionOptions(command).action(async (options: TemplateLsOptions, self: Command) => {
    await withDaemon(invocation, self, "plain", async (client) => {
      const { screen } = invocation;
      const templates = await listTemplates(client, {
        namePrefix: options.prefix ?? "",
        labels: parseLabels(options.label ?? []),
      });
      if (options.output === "json") await screen.out(jsonDocument(templates.map(templateJson)));
      else if (options.quiet === true) {
        await screen.out(templates.map((template) => `${template.name}\n`).join(""));
      } else {
        await screen.out(renderTable(templateColumns, templates, screen.paint, screen.width));
      }
      return 0;
    });
  });
}
