import { Command } from "commander";
import { type Client } from "../../client/typescript/client.js";
import { cpuRequest } from "../../client/typescript/process-options.js";
import { type OutputOptions, outputOption, withDaemon } from "../action.js";
import { addConnectionOptions } from "../connection-options.js";
import { exitCode } from "../exit-code.js";
import { type Invocation } from "../invocation.js";
import { cpuMapJson, explanationJson } from "../output/cpu-json.js";
import { renderCpuMap } from "../output/cpu-map.js";
import { renderExplanation } from "../output/cpu-explanation.js";
import { jsonDocument } from "../output/json.js";
import { parseCpuChoice } from "../parse/cpu-choice.js";
import { cpusOf } from "../run-options.js";

interface CpusOptions extends OutputOptions {
  readonly explain?: string;
}

export function cpusCommand(invocation: Invocation): Command {
  const command = new Command("cpus")
    .description(
      "Draws packages, cores and CPUs, and who sits where. With --explain: which CPUs a worker would get now, or why\n" +
        "it would get none; the exit code is 1 when it does not fit.",
    )
    .option("-e, --explain <cpus>", "as run takes it in --cpus, such as exclusive:3 or 2 or 0-3")
    .addOption(outputOption());
  return addConnectionOptions(command).action(async (options: CpusOptions, self: Command) => {
    await withDaemon(invocation, self, "plain", (client) =>
      options.explain === undefined
        ? draw(client, invocation, options)
        : explain(client, invocation, options.explain, options),
    );
  });
}

async function draw(
  client: Client,
  { screen }: Invocation,
  options: OutputOptions,
): Promise<number> {
  const [topology, seats] = await Promise.all([
    client.cpus.getTopology({}),
    client.cpus.listCpuAssignments({}),
  ]);
  await screen.out(
    options.output === "json"
      ? jsonDocument(cpuMapJson(topology, seats))
      : renderCpuMap(topology, seats, screen.paint),
  );
  return exitCode.ok;
}

async function explain(
  client: Client,
  { screen }: Invocation,
  text: string,
  options: OutputOptions,
): Promise<number> {
  const answer = await client.cpus.explainPlacement({
    cpus: cpuRequest(cpusOf(parseCpuChoice(text), 0)),
  });
  await screen.out(
    options.output === "json"
      ? jsonDocument(explanationJson(answer))
      : renderExplanation(answer, screen.paint),
  );
  return answer.fits ? exitCode.ok : exitCode.failed;
}
