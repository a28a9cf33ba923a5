import { Command } from "commander";
import {
  type GetServerInfoResponse,
  type GetServerStatusResponse,
  ServerState,
} from "../../proto/gen/forkbus/v1/admin.js";
import { type OutputOptions, outputOption, withDaemon } from "../action.js";
import { addConnectionOptions } from "../connection-options.js";
import { type Invocation } from "../invocation.js";
import { enumName } from "../output/enum-name.js";
import { escapeText } from "../output/escape.js";
import { humanBytes, humanDuration, plural } from "../output/human.js";
import { localTime } from "../output/instant.js";
import { jsonDocument } from "../output/json.js";
import { serverJson } from "../output/server-json.js";
import { renderFields } from "../output/table.js";

export function statusCommand(invocation: Invocation): Command {
  const command = new Command("status")
    .description("Shows what the daemon is and how it is. The exit code is 0 if it answers.")
    .addOption(outputOption());
  return addConnectionOptions(command).action(async (options: OutputOptions, self: Command) => {
    await withDaemon(invocation, self, "plain", async (client) => {
      const { screen } = invocation;
      const status = await client.admin.getServerStatus({});
      if (options.output === "json") {
        await screen.out(jsonDocument(serverJson(client.address, client.server, status)));
        return 0;
      }
      await screen.out(
        renderFields(statusFields(client.address, client.server, status), screen.paint),
      );
      for (const warning of status.warnings) {
        await screen.out(`${screen.paint("warning", "warning")}  ${escapeText(warning)}\n`);
      }
      return 0;
    });
  });
}

function statusFields(
  address: string,
  info: GetServerInfoResponse,
  status: GetServerStatusResponse,
): readonly (readonly [string, string])[] {
  const processes = Object.entries(status.processes)
    .filter(([, count]) => count > 0)
    .map(([state, count]) => `${count} ${state.toLowerCase()}`)
    .join(", ");
  const keeper = status.keeperConnected
    ? `connected, pid ${status.keeperPid}, version ${info.keeperVersion}`
    : "not connected";
  const started = info.startTime === undefined ? "" : ` (since ${localTime(info.startTime)})`;
  return [
    ["State", `${enumName(ServerState, status.state).toLowerCase()}: ${status.summary}`],
    ["Address", address],
    ["Version", info.version],
    ["Host", info.hostName],
    ["You are", info.principal],
    ["Pid", `${status.pid}`],
    ["Up", humanDuration(Number(status.uptimeMs)) + started],
    ["Memory", humanBytes(status.rssBytes)],
    ["Keeper", keeper],
    ["Processes", processes || "none"],
    [
      "Queues",
      `${status.queues}, with ${plural(status.queueItems, "item")} of ${humanBytes(status.queueBytes)}`,
    ],
    ["Connections", `${status.connections}`],
  ];
}
