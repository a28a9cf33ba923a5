import { Command } from "commander";
import { type Client } from "../../client/typescript/client.js";
import { NotFoundError, TimedOutError } from "../../client/typescript/errors.js";
import { repeatWhileUnavailable } from "../../client/typescript/retry.js";
import { type Process } from "../../proto/gen/forkbus/v1/process.js";
import { type OutputOptions, outputOption, report, withDaemon } from "../action.js";
import { addConnectionOptions } from "../connection-options.js";
import { codeOfExit, describeExit, exitCode } from "../exit-code.js";
import { type Invocation } from "../invocation.js";
import { escapeText } from "../output/escape.js";
import { jsonLine } from "../output/json.js";
import { exitJson } from "../output/process-json.js";
import { parseDurationMs } from "../parse/duration.js";

interface WaitOptions extends OutputOptions {
  readonly any?: boolean;
  readonly timeout?: string;
}

const reconnectMs = 10_000;

export function waitCommand(invocation: Invocation): Command {
  const command = new Command("wait")
    .description(
      "Waits until all workers named have ended, and prints the exit code of each on a line, in the order\n" +
        "of the names: 128+N after signal N, 125 when nobody knows how it ended.",
    )
    .argument("<name...>", "names of workers")
    .option("--any", "wait for one of them, and print its name after its code")
    .option("-t, --timeout <time>", "wait no longer than this, such as 10, 500ms or 2m")
    .addOption(outputOption())
    .addHelpText(
      "after",
      "\nExit code: the code printed last; 124 when time ran out; 125 when a name is not known or forkbus failed.",
    );
  return addConnectionOptions(command).action(
    async (names: readonly string[], options: WaitOptions, self: Command) => {
      await withDaemon(invocation, self, "worker", async (client) => {
        const timeoutMs =
          options.timeout === undefined ? undefined : parseDurationMs("--timeout", options.timeout);
        const wanted = [...new Set(names)];
        const ended = await waitForEnds(client, wanted, options.any === true ? 1 : 0, timeoutMs);
        return printEnds(invocation, wanted, ended, options);
      });
    },
  );
}

/** The processes that ended within the wait, in the order in which they did; `unknown` for names that there are not. */
interface Ends {
  readonly processes: ReadonlyMap<string, Process>;
  readonly unknown: readonly string[];
}

/** A wait that breaks, as when the daemon is restarted, goes on for those that have not been answered. */
async function waitForEnds(
  client: Client,
  names: readonly string[],
  wanted: number,
  timeoutMs: number | undefined,
): Promise<Ends> {
  const deadline = timeoutMs === undefined ? undefined : performance.now() + timeoutMs;
  const processes = new Map<string, Process>();
  const unknown: string[] = [];
  await repeatWhileUnavailable({ reconnectMs }, async () => {
    const open = names.filter((name) => !processes.has(name) && !unknown.includes(name));
    if (open.length === 0 || (wanted > 0 && processes.size >= wanted)) return;
    const responses = client.processes.waitProcesses({
      names: open,
      minReached: wanted,
      ...(deadline === undefined
        ? {}
        : { waitMs: Math.max(0, Math.ceil(deadline - performance.now())) }),
    });
    for await (const { reached, process } of responses) {
      if (process === undefined) continue;
      if (reached) processes.set(process.name, process);
      else unknown.push(process.name);
    }
  });
  return { processes, unknown };
}

async function printEnds(
  invocation: Invocation,
  names: readonly string[],
  { processes, unknown }: Ends,
  options: WaitOptions,
): Promise<number> {
  const { screen } = invocation;
  const order = options.any === true ? [...processes.keys()] : names;
  let code: number = exitCode.ok;
  for (const name of order) {
    const process = processes.get(name);
    if (process === undefined) continue;
    const exit = process.status?.exit;
    code = codeOfExit(exit);
    if (options.output === "json") {
      await screen.out(jsonLine({ name, code, exit: exit && exitJson(exit) }));
    } else {
      await screen.out(options.any === true ? `${code} ${name}\n` : `${code}\n`);
      if (exit?.outcome?.$case === "lost") {
        await screen.err(`forkbus: ${escapeText(`${name} ${describeExit(exit)}`)}\n`);
      }
    }
  }
  for (const name of unknown) {
    const error = new NotFoundError(`No process ${name}`, { code: "NOT_FOUND" });
    await report(invocation, error, "worker", false);
  }
  if (options.any === true && processes.size > 0) return code;
  if (unknown.length > 0) return exitCode.notTheWorker;
  const waiting = names.filter((name) => !processes.has(name));
  if (waiting.length > 0) {
    const message = `Time ran out before the end of ${waiting.join(", ")}`;
    await report(
      invocation,
      new TimedOutError(message, { code: "DEADLINE_EXCEEDED" }),
      "worker",
      false,
    );
    return exitCode.timedOut;
  }
  return code;
}
