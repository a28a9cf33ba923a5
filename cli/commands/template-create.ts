import { Command, Option } from "commander";
import { type Client } from "../../client/typescript/client.js";
import { type Template } from "../../client/typescript/template.js";
import { type OutputOptions, outputOption, withDaemon } from "../action.js";
import { addConnectionOptions } from "../connection-options.js";
import { isLocal } from "../daemon-connection.js";
import { exitCode } from "../exit-code.js";
import { type Invocation } from "../invocation.js";
import { escapeText } from "../output/escape.js";
import { jsonDocument } from "../output/json.js";
import { templateJson } from "../output/template-json.js";
import { readyText, renderFailure, renderModules } from "../output/template-table.js";
import { collect } from "../parse/collect.js";
import { parseDurationMs } from "../parse/duration.js";
import { type TemplateSettings, templateOptions } from "../template-options.js";

interface TemplateCreateOptions extends OutputOptions, TemplateSettings {
  readonly replace?: boolean;
  readonly wait: boolean;
  readonly timeout?: string;
}

const help = `
The template is kept, also when it fails: "forkbus template inspect" shows it, "forkbus template rm" removes it,
and --replace gives it another spec. Its workers begin with what the preloads and --init have loaded and
computed; threads, and files that they leave open, make it fail, but for those that --keep-fd names.

Exit code: 0 when it is ready; 1 when it failed, with the traceback on stderr; 124 when --timeout ran out,
and it goes on loading.

Examples:
  forkbus template create numpy --runtime python --preload numpy
  forkbus template create app --parent numpy --preload app.models --init app:warm_up
  forkbus template create ts --runtime node --preload typescript --warm 4
  forkbus run --python app:train --template app`;

export function templateCreateCommand(invocation: Invocation): Command {
  const command = new Command("create")
    .summary("make a template, and wait until it is ready")
    .description(
      "Makes a template and waits until its zygote is ready; shows how long each module took to load.",
    )
    .argument("<name>", "name of the template")
    .addOption(
      new Option("--runtime <language>", "python or node (default: the parent's)").choices([
        "python",
        "node",
      ]),
    )
    .option("--interpreter <path>", "python3 or node to use (default: the daemon's)")
    .option("--parent <name>", "fork it from this template, with everything that is loaded there")
    .option(
      "-p, --preload <module>",
      "load this module: python: its name; node: a package, or a file (repeatable, in this order)",
      collect,
    )
    .option("--init <function>", "then call this: module:function, or file#export")
    .option("--init-args <json>", "its arguments: an array, or an object of keyword arguments")
    .option(
      "--module-path <dir>",
      "directory to look for modules in before all others (repeatable; default: this one; with tcp:// none)",
      collect,
    )
    .option(
      "-e, --env <name[=value]>",
      "variable for zygote and workers; without a value, as it is here (repeatable)",
      collect,
    )
    .option("-C, --cwd <dir>", "directory to run in (default: the parent's, else /)")
    .option("-u, --user <user>", "user to run as, where the keeper's policy allows it")
    .option("--preload-timeout <time>", "most time to load, such as 2m (default: 60s)")
    .option(
      "--warm <n>",
      "workers to keep forked in advance (default: 0, and 1 while it is in use)",
    )
    .option(
      "--keep-fd <pattern>",
      "what may be left open, as /proc/PID/fd shows it: /var/log/app.log or socket:* (repeatable)",
      collect,
    )
    .option("-l, --label <key=value>", "label to find it by (repeatable)", collect)
    .option("--replace", "give one that is there this spec: its workers go on")
    .option("--no-wait", "do not wait until it is ready")
    .option("-t, --timeout <time>", "wait no longer than this")
    .addOption(outputOption())
    .addHelpText("after", help);
  return addConnectionOptions(command).action(
    async (name: string, options: TemplateCreateOptions, self: Command) => {
      await withDaemon(invocation, self, "plain", (client) =>
        create(invocation, client, name, options),
      );
    },
  );
}

async function create(
  invocation: Invocation,
  client: Client,
  name: string,
  options: TemplateCreateOptions,
): Promise<number> {
  const timeoutMs =
    options.timeout === undefined ? undefined : parseDurationMs("--timeout", options.timeout);
  const { workingDir, env } = invocation;
  const place = { isLocal: isLocal(client.address), workingDir, env };
  const wanted = await templateOptions(client, name, options, place);
  const template =
    options.replace === true
      ? await client.templates.apply(wanted)
      : await client.templates.create(wanted);
  const isDecided =
    !options.wait || (await template.wait(timeoutMs === undefined ? {} : { timeoutMs }));
  await show(invocation, template, options);
  if (!isDecided) {
    const sentence = `Time ran out before ${name} was ready; it goes on loading`;
    await invocation.screen.err(`forkbus: ${escapeText(sentence)}\n`);
    return exitCode.timedOut;
  }
  return template.failure === undefined ? exitCode.ok : exitCode.failed;
}

async function show(
  { screen }: Invocation,
  template: Template,
  { output, wait }: TemplateCreateOptions,
): Promise<void> {
  const { latest } = template;
  const { failure, report, spawnFallback = "" } = latest.status ?? {};
  if (output === "json") await screen.out(jsonDocument(templateJson(latest)));
  else if (!wait) await screen.out(`${latest.name}\n`);
  else if (failure === undefined && report !== undefined) {
    await screen.out(renderModules(report, screen.paint));
    await screen.out(`${escapeText(`${latest.name} is ready: ${readyText(report)}`)}\n`);
  }
  if (spawnFallback !== "") {
    const sentence = `${latest.name} cannot be forked here, its workers are spawned: ${spawnFallback}`;
    await screen.err(`forkbus: ${escapeText(sentence)}\n`);
  }
  if (failure === undefined || !wait) return;
  await screen.err(`forkbus: ${escapeText(`${latest.name} has failed: ${failure.message}`)}\n`);
  await screen.err(renderFailure(failure, screen.paintNote));
}
