import { isAbsolute, resolve } from "node:path";
import { type Client } from "../client/typescript/client.js";
import {
  type InitCall,
  type TemplateOptions,
  type TemplateRuntime,
} from "../client/typescript/template-options.js";
import { modulePath, type ModulePlace } from "./function-options.js";
import { parseDurationMs } from "./parse/duration.js";
import { parseEnvironment } from "./parse/environment-entry.js";
import { parseJsonArguments } from "./parse/json-arguments.js";
import { parseLabels } from "./parse/label.js";
import { parseWholeNumber } from "./parse/whole-number.js";
import { UsageError } from "./usage-error.js";

/** Options of `template create` for the spec, as commander reads them. */
export interface TemplateSettings {
  readonly runtime?: TemplateRuntime;
  readonly interpreter?: string;
  readonly parent?: string;
  readonly preload?: readonly string[];
  readonly init?: string;
  readonly initArgs?: string;
  readonly modulePath?: readonly string[];
  readonly env?: readonly string[];
  readonly cwd?: string;
  readonly user?: string;
  readonly preloadTimeout?: string;
  readonly warm?: string;
  readonly keepFd?: readonly string[];
  readonly label?: readonly string[];
}

/** Where `template create` was called. */
export interface TemplatePlace extends ModulePlace {
  readonly env: Readonly<Record<string, string | undefined>>;
}

const mostWarm = 1024;

/** The template that a command line asks for; a UsageError names the option that makes no sense. */
export async function templateOptions(
  client: Client,
  name: string,
  settings: TemplateSettings,
  place: TemplatePlace,
): Promise<TemplateOptions> {
  const { interpreter, parent, cwd, user, preloadTimeout, warm } = settings;
  const init = initCall(settings);
  const spec = {
    preload: preloads(settings, place),
    modulePath: modulePath(settings.modulePath, place),
    env: parseEnvironment(settings.env ?? [], place.env),
    keepFds: settings.keepFd ?? [],
    labels: parseLabels(settings.label ?? []),
    ...(interpreter === undefined ? {} : { interpreter: program(interpreter, place) }),
    ...(parent === undefined ? {} : { parent }),
    ...(init === undefined ? {} : { init }),
    ...(cwd === undefined ? {} : { cwd: place.isLocal ? resolve(place.workingDir(), cwd) : cwd }),
    ...(user === undefined ? {} : { runAs: user }),
    ...(preloadTimeout === undefined
      ? {}
      : { preloadTimeoutMs: parseDurationMs("--preload-timeout", preloadTimeout) }),
    ...(warm === undefined ? {} : { warmWorkers: parseWholeNumber("--warm", warm, 0, mostWarm) }),
  };
  return { ...spec, name, runtime: await runtimeOf(client, settings) };
}

async function runtimeOf(client: Client, { runtime, parent }: TemplateSettings) {
  if (runtime !== undefined) return runtime;
  if (parent === undefined) {
    throw new UsageError(
      "--runtime says which language: python or node; only with --parent it may be left out",
    );
  }
  const inherited = (await client.templates.get(parent)).runtime;
  if (inherited === undefined)
    throw new UsageError(`The runtime of ${parent} is not known here: say --runtime`);
  return inherited;
}

/** Files are relative to here, as everywhere on a command line; names of modules and packages stay as they are. */
function preloads({ preload = [] }: TemplateSettings, place: TemplatePlace): readonly string[] {
  return preload.map((module) =>
    place.isLocal && /^\.{1,2}\//.test(module) && !isAbsolute(module)
      ? resolve(place.workingDir(), module)
      : module,
  );
}

/** A bare name is looked up in the daemon's PATH; as in a shell, what has a slash is not. */
function program(interpreter: string, place: TemplatePlace): string {
  const isHere = place.isLocal && interpreter.includes("/");
  return isHere ? resolve(place.workingDir(), interpreter) : interpreter;
}

function initCall({ init, initArgs }: TemplateSettings): InitCall | undefined {
  if (init !== undefined) {
    const payload =
      initArgs === undefined ? undefined : parseJsonArguments("--init-args", initArgs);
    return { function: init, ...(payload === undefined ? {} : { payload }) };
  }
  if (initArgs !== undefined) throw new UsageError("--init-args goes with --init");
  return undefined;
}
