import { Command } from "commander";
import { ProcessState } from "../../proto/gen/forkbus/v1/process.js";
import { type OutputOptions, outputOption, withDaemon } from "../action.js";
import { addConnectionOptions } from "../connection-options.js";
import { type Invocation } from "../invocation.js";
import { jsonDocument } from "../output/json.js";
import { processJson } from "../output/process-json.js";
import { processColumns } from "../output/process-table.js";
import { renderTable } from "../output/table.js";
import { collect } from "../parse/collect.js";
import { parseLabels } from "../parse/label.js";
import { parseStates } from "../parse/process-state.js";
import { listProcesses } from "../resource-pages.js";

interface PsOptions extends OutputOptions {
  readonly all?: boolean;
  readonly label?: readonly string[];
  readonly state?: readonly string[];
  readonly prefix?: string;
  readonly quiet?: boolean;
}

const alive = [ProcessState.STARTING, ProcessState.RUNNING, ProcessState.STOPPING];

export function psCommand(invocation: Invocation): Command {
  const command = new Command("ps")
    .description(
      "Lists workers by name: those that are alive, unless --all or --state says otherwise.",
    )
    .option("-a, --all", "also those that have ended, as long as their records are kept")
    .option("-l, --label <key=value>", "only those with this label (repeatable)", collect)
    .option(
      "-s, --state <state>",
      "only those in this state: starting, running, stopping, exited, lost (repeatable)",
      collect,
    )
    .option("-p, --prefix <prefix>", "only those whose names begin so")
    .option("-q, --quiet", "only names, one to a line")
    .addOption(outputOption());
  return addConnectionOptions(command).action(async (options: PsOptions, self: Command) => {
    await withDaemon(invocation, self, "plain", async (client) => {
      const states = parseStates(options.state ?? []);
      const processes = await listProcesses(client, {
        namePrefix: options.prefix ?? "",
        labels: parseLabels(options.label ?? []),
        states: states.length > 0 ? states : options.all === true ? [] : alive,
      });
      const { screen } = invocation;
      if (options.output === "json") {
        await screen.out(jsonDocument(processes.map(processJson)));
      } else if (options.quiet === true) {
        await screen.out(processes.map((process) => `${process.name}\n`).join(""));
      } else {
        const columns = processColumns(Date.now());
        await screen.out(renderTable(columns, processes, screen.paint, screen.width));
      }
      return 0;
    });
  });
}
