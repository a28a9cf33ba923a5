import { type Process } from "../proto/gen/forkbus/v1/process.js";
import { describeExit } from "./exit-code.js";
import { escapeText } from "./output/escape.js";
import { type Screen } from "./screen.js";

const newline = Buffer.from("\n");

/** Of a message that stands whole in the record. */
const mostMessage = 500;

/**
 * Writes what a function that has ended returned to stdout, JSON on a line of its own and other bytes as they are; or to
 * stderr in one line why there is nothing. `isLineOpen`: what came before on stdout does not end with a newline. The traceback is not repeated: the worker has written it to its stderr.
 */
export async function writeResult(
  screen: Screen,
  process: Process,
  isLineOpen: boolean,
): Promise<void> {
  const { name, status } = process;
  const outcome = status?.result?.outcome;
  switch (outcome?.$case) {
    case "value": {
      const { data, encoding } = outcome.value;
      if (encoding === "json") {
        await screen.out(Buffer.concat([Buffer.from(isLineOpen ? "\n" : ""), data, newline]));
      } else await screen.out(data);
      break;
    }
    case "exception":
      await say(screen, `The function of ${name} raised ${raisedText(outcome.value)}`);
      break;
    case undefined:
      await say(screen, `${name} gave no result: it ${describeExit(status?.exit)}`);
      break;
  }
}

/** `ValueError: bad value`, on one line of bounded length. */
export function raisedText({
  type,
  message,
}: {
  readonly type: string;
  readonly message: string;
}): string {
  if (message === "") return type;
  const shown = message.length > mostMessage ? `${message.slice(0, mostMessage)}…` : message;
  return `${type}: ${shown}`;
}

async function say(screen: Screen, sentence: string): Promise<void> {
  await screen.err(`forkbus: ${escapeText(sentence)}\n`);
}
