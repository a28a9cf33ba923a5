// Gets items from a queue of the daemon at $FORKBUS_ADDRESS until it is shut down and drained.
import { connect, type Queue, QueueShutDown } from "forkbus";
import { answerCommands } from "../harness/answer-commands.js";
import { type ConsumerAnswer, consumeCommand } from "./exchange.js";
import { Tally } from "./tally.js";
import type { GetWay } from "./ways.js";

async function consume(queue: Queue<Uint8Array>, way: GetWay, tally: Tally): Promise<void> {
  switch (way) {
    case "for await":
      for await (const item of queue) tally.add(item);
      return;
    case "batches":
      for await (const batch of queue.batches()) for (const item of batch) tally.add(item);
      return;
    case "await get":
      for (;;) tally.add(await queue.get());
  }
}

await using bus = await connect();
await answerCommands(async (asked): Promise<ConsumerAnswer> => {
  const { queue: name, way, size, total } = consumeCommand.parse(asked);
  const queue = await bus.openQueue(name);
  const tally = new Tally(size, total);
  try {
    await consume(queue, way, tally);
  } catch (error) {
    if (!(error instanceof QueueShutDown)) throw error;
  }
  queue.close();
  return tally.finish();
});
