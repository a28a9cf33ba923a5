// Puts items into a queue of the daemon at $FORKBUS_ADDRESS.
import { connect, type Queue } from "forkbus";
import { answerCommands } from "../harness/answer-commands.js";
import { type ProducerAnswer, produceCommand } from "./exchange.js";
import { ItemMaker } from "./items.js";
import { nowNs } from "./moment.js";
import { chunkItems, type PutWay } from "./ways.js";

interface Work {
  readonly way: PutWay;
  readonly items: number;
  readonly size: number;
  readonly forMs: number | undefined;
}

/** Returns how many it put. */
async function produce(
  queue: Queue<Uint8Array>,
  maker: ItemMaker,
  { way, items, size, forMs = Infinity }: Work,
): Promise<number> {
  const deadline = performance.now() + forMs;
  const most = way === "put" ? 1 : chunkItems(size);
  let put = 0;
  while (put < items && performance.now() < deadline) {
    const chunk = Math.min(items - put, most);
    if (way === "put") await queue.put(maker.make());
    else await queue.putMany(maker.makeMany(chunk));
    put += chunk;
  }
  return put;
}

await using bus = await connect();
await answerCommands(async (asked): Promise<ProducerAnswer> => {
  const { queue: name, way, producer, items, size, forMs } = produceCommand.parse(asked);
  const queue = await bus.openQueue(name);
  const maker = new ItemMaker(producer, size);
  const first = nowNs();
  const put = await produce(queue, maker, { way, items, size, forMs });
  queue.close();
  return { first_put_ns: String(first), items: put };
});
