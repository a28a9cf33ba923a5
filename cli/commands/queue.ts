import { Command } from "commander";
import { addConnectionOptions } from "../connection-options.js";
import { helpCommand } from "../help-command.js";
import { type Invocation } from "../invocation.js";
import { queueCreateCommand } from "./queue-create.js";
import { queueGetCommand } from "./queue-get.js";
import { queueLsCommand } from "./queue-ls.js";
import { queuePutCommand } from "./queue-put.js";
import { queueRmCommand } from "./queue-rm.js";
import { queueShutdownCommand } from "./queue-shutdown.js";
import { queueStatCommand } from "./queue-stat.js";

export function queueCommand(invocation: Invocation): Command {
  const commands = [
    queueCreateCommand,
    queueLsCommand,
    queueStatCommand,
    queuePutCommand,
    queueGetCommand,
    queueShutdownCommand,
    queueRmCommand,
  ];
  const queue = new Command("queue").description(
    "Queues of items, which are opaque bytes: first in, first out, each item delivered at most once. Items\n" +
      "live in the daemon's memory and are gone with it.",
  );
  for (const command of commands) queue.addCommand(command(invocation));
  queue.helpCommand(false).addCommand(helpCommand(queue));
  return addConnectionOptions(queue).enablePositionalOptions();
}
