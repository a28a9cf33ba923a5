import { createInterface } from "node:readline";

/** The other end of a Driver: answers each line of stdin with one line on stdout, until stdin ends. */
export async function answerCommands(
  answer: (command: unknown) => object | Promise<object>,
): Promise<void> {
  for await (const line of createInterface(process.stdin)) {
    const command: unknown = JSON.parse(line);
    process.stdout.write(`${JSON.stringify(await answer(command))}\n`);
  }
}
