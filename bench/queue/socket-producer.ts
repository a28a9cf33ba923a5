// Writes frames of items to a Unix socket: no queue, no protocol, nothing kept.
import { once } from "node:events";
import { connect } from "node:net";
import { answerCommands } from "../harness/answer-commands.js";
import { type ProducerAnswer, produceCommand } from "./exchange.js";
import { ItemMaker } from "./items.js";
import { nowNs } from "./moment.js";
import { encodeFrame, frameItems } from "./socket-frame.js";

await answerCommands(async (asked): Promise<ProducerAnswer> => {
  const { queue: path, producer, items, size } = produceCommand.parse(asked);
  const socket = connect(path);
  await once(socket, "connect");
  const maker = new ItemMaker(producer, size);
  const most = frameItems(size);
  const first = nowNs();
  for (let left = items; left > 0; left -= most) {
    const frame = encodeFrame(maker.makeMany(Math.min(left, most)));
    if (!socket.write(frame)) await once(socket, "drain");
  }
  socket.end();
  await once(socket, "close");
  return { first_put_ns: String(first), items };
});
