import { Command } from "commander";
import { type Process, StopOutcome } from "../../proto/gen/forkbus/v1/process.js";
import { type OutputOptions, outputOption, report, withDaemon } from "../action.js";
import { answered } from "../answered.js";
import { addConnectionOptions } from "../connection-options.js";
import { describeExit, exitCode } from "../exit-code.js";
import { type Invocation } from "../invocation.js";
import { enumName } from "../output/enum-name.js";
import { escapeText } from "../output/escape.js";
import { type JsonValue, jsonDocument } from "../output/json.js";
import { exitJson } from "../output/process-json.js";
import { parseDurationMs } from "../parse/duration.js";

interface StopOptions extends OutputOptions {
  readonly grace?: string;
  readonly signal?: string;
  readonly timeout?: string;
}

interface Stopped {
  readonly name: string;
  readonly outcome: StopOutcome;
  readonly process: Process;
}

export function stopCommand(invocation: Invocation): Command {
  const command = new Command("stop")
    .description(
      "Ends workers, all at the same time: sends the signal, gives the grace period, then kills the whole\n" +
        "tree. Waits until they have ended. Stopping what has ended is fine. A stop goes on when this program\n" +
        "is interrupted.",
    )
    .argument("<name...>", "names of workers")
    .option(
      "-g, --grace <time>",
      "before the tree is killed; 0 kills at once (default: the worker's own, 10s)",
    )
    .option("-s, --signal <signal>", "to begin with (default: the worker's own, TERM)")
    .option("-t, --timeout <time>", "wait no longer than this: exit code 124, and the stop goes on")
    .addOption(outputOption());
  return addConnectionOptions(command).action(
    async (names: readonly string[], options: StopOptions, self: Command) => {
      await withDaemon(invocation, self, "plain", async (client) => {
        const { grace, signal, timeout, output } = options;
        const stop = {
          signal: signal?.toUpperCase() ?? "",
          ...(grace === undefined ? {} : { graceMs: parseDurationMs("--grace", grace) }),
        };
        const waitMs = timeout === undefined ? undefined : parseDurationMs("--timeout", timeout);
        const answers = await Promise.allSettled(
          names.map(async (name): Promise<Stopped> => {
            const response = await client.processes.stopProcess({
              name,
              ...(grace === undefined && signal === undefined ? {} : { stop }),
              ...(waitMs === undefined ? {} : { waitMs }),
            });
            const process = answered(response.process, "process");
            return { name, outcome: response.outcome, process };
          }),
        );
        let code = 0;
        const stopped: Stopped[] = [];
        for (const answer of answers) {
          if (answer.status === "rejected") {
            const failure = await report(invocation, answer.reason, "plain", false);
            code ||= failure;
          } else {
            stopped.push(answer.value);
            if (answer.value.outcome === StopOutcome.UNSPECIFIED) code ||= exitCode.timedOut;
          }
        }
        await invocation.screen.out(
          output === "json"
            ? jsonDocument(stopped.map(stoppedJson))
            : stopped.map((one) => `${describeStop(one)}\n`).join(""),
        );
        return code;
      });
    },
  );
}

function stoppedJson({ name, outcome, process }: Stopped): JsonValue {
  const exit = process.status?.exit;
  return {
    name,
    outcome: enumName(StopOutcome, outcome) || "WAIT_RAN_OUT",
    exit: exit && exitJson(exit),
  };
}

function describeStop({ name, outcome, process }: Stopped): string {
  const exit = describeExit(process.status?.exit);
  const shown = escapeText(name);
  switch (outcome) {
    case StopOutcome.GRACEFUL:
      return `${shown}: ${exit}`;
    case StopOutcome.KILLED:
      return `${shown}: ${exit}; its tree had to be killed`;
    case StopOutcome.ALREADY_ENDED:
      return `${shown}: had ended before, ${exit}`;
    case StopOutcome.UNSPECIFIED:
      return `${shown}: still stopping`;
    case StopOutcome.UNRECOGNIZED:
      return `${shown}: ${exit}`;
  }
}
