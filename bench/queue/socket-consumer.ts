// Reads frames of items from a Unix socket until it ends.
import { once } from "node:events";
import { connect } from "node:net";
import { answerCommands } from "../harness/answer-commands.js";
import { type ConsumerAnswer, consumeCommand } from "./exchange.js";
import { FrameReader } from "./socket-frame.js";
import { Tally } from "./tally.js";

await answerCommands(async (asked): Promise<ConsumerAnswer> => {
  const { queue: path, size, total } = consumeCommand.parse(asked);
  const socket = connect(path);
  const tally = new Tally(size, total);
  const reader = new FrameReader((item) => {
    tally.add(item);
  });
  socket.on("data", (part) => {
    reader.push(part);
  });
  await once(socket, "close");
  return tally.finish();
});
