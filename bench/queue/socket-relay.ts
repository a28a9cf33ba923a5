// Passes on what producers write to one Unix socket to the consumers at another: the first to the first, and so on.
import { createServer, type Server, type Socket } from "node:net";
import { once } from "node:events";
import { answerCommands } from "../harness/answer-commands.js";

const [producersPath = "", consumersPath = ""] = process.argv.slice(2);
const waiting = { producers: [] as Socket[], consumers: [] as Socket[] };

async function listen(path: string, queue: Socket[]): Promise<Server> {
  const server = createServer((socket) => {
    queue.push(socket);
    pair();
  });
  server.listen(path);
  await once(server, "listening");
  return server;
}

function pair(): void {
  while (waiting.producers.length > 0 && waiting.consumers.length > 0) {
    const consumer = waiting.consumers.shift();
    if (consumer !== undefined) waiting.producers.shift()?.pipe(consumer);
  }
}

const servers = [
  await listen(producersPath, waiting.producers),
  await listen(consumersPath, waiting.consumers),
];
await answerCommands(() => ({ ready: true }));
for (const server of servers) server.close();
