// A parent, two child processes, and a queue between them: `node hello-multiprocessing.js` with a daemon running.
import { connect } from "forkbus";

/** What runs in each child: the same file, started with arguments. */
async function child(number: string, queueName: string, previous?: string): Promise<void> {
  await using bus = await connect();
  // Both children run at the same time, so that nothing but chance would decide whose message comes first. The second
  // one therefore waits for the first to end: any process may wait for any other, not only a parent for its children.
  if (previous !== undefined) await (await bus.attach(previous)).join();
  const queue = await bus.openQueue(queueName, { codec: "utf8" });
  await queue.put(`Message by Child Proc ${number}`);
}

async function parent(): Promise<void> {
  console.log("Parent Process started");
  await using bus = await connect();
  await using queue = await bus.queue({ codec: "utf8" });
  const childProcess = (...args: string[]) =>
    bus.process({
      argv: [process.execPath, import.meta.filename, ...args],
      env: { FORKBUS_ADDRESS: bus.address },
    });

  await using first = await childProcess("1", queue.name).start();
  await using second = await childProcess("2", queue.name, first.name).start();
  await first.join();
  await second.join();

  while (!(await queue.empty())) console.log(await queue.get());
  console.log("Parent Process Exiting");
}

const [number, queueName, previous] = process.argv.slice(2);
if (number === undefined || queueName === undefined) await parent();
else await child(number, queueName, previous);
