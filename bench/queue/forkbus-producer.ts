// Puts items into a queue of the daemon at $FORKBUS_ADDRESS.
import { connect, type Queue } from "forkbus";
import { answerCommands } from "../harness/answer-commands.js";
import { type ProducerAnswer, produceCommand } from "./exchange.js";
import { ItemMaker } from "./items.js";
import { nowNs } from "./moment.js";
import type { PutWay } from "./ways.js";

/** Calls that are under way at most, where none is awaited before the next. */
const mostUnderWay = 1000;

async function produce(
  queue: Queue<Uint8Array>,
  way: PutWay,
  items: Iterable<Uint8Array>,
): Promise<void> {
  switch (way) {
    case "putMany":
      await queue.putMany(items);
      return;
    case "put":
      await putWithoutWaiting(queue, items);
      return;
    case "await put":
      for (const item of items) await queue.put(item);
  }
}

async function putWithoutWaiting(
  queue: Queue<Uint8Array>,
  items: Iterable<Uint8Array>,
): Promise<void> {
  let underWay: Promise<void>[] = [];
  for (const item of items) {
    underWay.push(queue.put(item));
    if (underWay.length < mostUnderWay) continue;
    await Promise.all(underWay);
    underWay = [];
  }
  await Promise.all(underWay);
}

await using bus = await connect();
await answerCommands(async (asked): Promise<ProducerAnswer> => {
  const { queue: name, way, producer, items, size, forMs } = produceCommand.parse(asked);
  const queue = await bus.openQueue(name);
  const maker = new ItemMaker(producer, size);
  const first = nowNs();
  await produce(queue, way, maker.items(items, forMs));
  queue.close();
  return { first_put_ns: String(first), items: maker.made };
});
