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
      "Waits until all workers named have ended, and prints the exit code of each as soon as it has: 128+N\n" +
        "after signal N, 125 when nobody knows how it ended. Of more than one, the name follows the code.",
    )
    .argument("<name...>", "names of workers")
    .option("--any", "wait for one of them, and print its name after its code")
    .option("-t, --timeout <time>", "wait no longer than this, such as 10, 500ms or 2m")
    .addOption(outputOption())
    .addHelpText(
      "after",
      "\nExit code: that of the worker named last, with --any of the one that has ended; 124 when time ran out;\n" +
        "125 when a name is not known or forkbus failed.",
    );
  return addConnectionOptions(command).action(
    async (names: readonly string[], options: WaitOptions, self: Command) => {
      await withDaemon(invocation, self, "worker", async (client) => {
        const timeoutMs =
          options.timeout === undefined ? undefined : parseDurationMs("--timeout", options.timeout);
        // Of a name that is given twice the last place counts.
        const wanted = [...new Set([...names].reverse())].reverse();
        const ends = new Map<string, number>();
        const unknown = new Set<string>();
        await waitForEnds(client, wanted, options.any === true ? 1 : 0, timeoutMs, {
          isAnswered: (name) => ends.has(name) || unknown.has(name),
          ended: async (process) => {
            ends.set(process.name, codeOfExit(process.status?.exit));
            await printEnd(invocation, process, options, wanted.length > 1);
          },
          unknown: async (name) => {
            unknown.add(name);
            const message = `There is no process ${name}`;
            const error = new NotFoundError(message, { code: "NOT_FOUND" });
            await report(invocation, error, "worker", false);
          },
        });
        return options.any === true && ends.size > 0
          ? ([...ends.values()].at(-1) ?? exitCode.ok)
          : codeOfAll(invocation, wanted, ends, unknown);
      });
    },
  );
}

/** Is told what becomes of each name, as soon as the daemon says it. */
interface Listener {
  readonly isAnswered: (name: string) => boolean;
  readonly ended: (process: Process) => Promise<void>;
  readonly unknown: (name: string) => Promise<void>;
}

/**
 * Waits until `wanted` have ended (0: all), or time has run out. A wait that breaks, as when the daemon is restarted,
 * goes on for those that have not been answered.
 */
async function waitForEnds(
  client: Client,
  names: readonly string[],
  wanted: number,
  timeoutMs: number | undefined,
  listener: Listener,
): Promise<void> {
  const deadline = timeoutMs === undefined ? undefined : performance.now() + timeoutMs;
  let reachedSoFar = 0;
  await repeatWhileUnavailable({ reconnectMs }, async () => {
    const open = names.filter((name) => !listener.isAnswered(name));
    if (open.length === 0 || (wanted > 0 && reachedSoFar >= wanted)) return;
    const responses = client.processes.waitProcesses({
      names: open,
      minReached: wanted,
      ...(deadline === undefined
        ? {}
        : { waitMs: Math.max(0, Math.ceil(deadline - performance.now())) }),
    });
    for await (const { reached, process } of responses) {
      if (process === undefined) continue;
      if (reached) {
        reachedSoFar += 1;
        await listener.ended(process);
      } else await listener.unknown(process.name);
    }
  });
}

async function printEnd(
  { screen }: Invocation,
  { name, status }: Process,
  { output, any }: WaitOptions,
  isOneOfMany: boolean,
): Promise<void> {
  const exit = status?.exit;
  const code = codeOfExit(exit);
  if (output === "json") {
    await screen.out(jsonLine({ name, code, exit: exit && exitJson(exit) }));
    return;
  }
  await screen.out(any === true || isOneOfMany ? `${code} ${escapeText(name)}\n` : `${code}\n`);
  if (exit?.outcome?.$case === "lost") {
    await screen.err(`forkbus: ${escapeText(`${name} ${describeExit(exit)}`)}\n`);
  }
}

async function codeOfAll(
  invocation: Invocation,
  names: readonly string[],
  ends: ReadonlyMap<string, number>,
  unknown: ReadonlySet<string>,
): Promise<number> {
  const waiting = names.filter((name) => !ends.has(name) && !unknown.has(name));
  if (waiting.length > 0) {
    const message = `Time ran out before the end of ${waiting.join(", ")}`;
    const error = new TimedOutError(message, { code: "DEADLINE_EXCEEDED" });
    await report(invocation, error, "worker", false);
  }
  if (unknown.size > 0) return exitCode.notTheWorker;
  if (waiting.length > 0) return exitCode.timedOut;
  return ends.get(names.at(-1) ?? "") ?? exitCode.ok;
}
