import { constants, accessSync, existsSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { CreateProcessRequest, type ProcessSpec } from "../../../proto/gen/forkbus/v1/process.js";
import {
  CreateTemplateRequest,
  type TemplateSpec,
  UpdateTemplateRequest,
} from "../../../proto/gen/forkbus/v1/template.js";
import { type FunctionTarget } from "../../../proto/gen/forkbus/v1/types.js";
import { HARMLESS, HARMLESS_FUNCTIONS } from "./plausible-values.js";

/** So many warm workers are as good as a thousand, and a thousand are a burden. */
const MOST_WARM = 8;

/** Whether a request of this method may be sent, which is read by the decoder that the daemon has. */
const checks: Readonly<Record<string, ((bytes: Uint8Array) => boolean) | undefined>> = {
  "/forkbus.v1.ProcessService/CreateProcess": (bytes) => {
    const { process } = CreateProcessRequest.decode(bytes);
    return isHarmlessProcess(process?.spec);
  },
  "/forkbus.v1.TemplateService/CreateTemplate": (bytes) => {
    const { template } = CreateTemplateRequest.decode(bytes);
    return isHarmlessTemplate(template?.spec);
  },
  "/forkbus.v1.TemplateService/UpdateTemplate": (bytes) => {
    const { spec } = UpdateTemplateRequest.decode(bytes);
    return isHarmlessTemplate(spec);
  },
};

/**
 * Whether a request may be sent: a mutant must not start a program of this machine that does
 * something, nor call a function of which nobody knows what it does.
 */
export function isHarmless(path: string, bytes: Uint8Array): boolean {
  try {
    return checks[path]?.(bytes) ?? true;
  } catch {
    // The daemon cannot read it either.
    return true;
  }
}

function isHarmlessProcess(spec: ProcessSpec | undefined): boolean {
  if (spec?.target === undefined) return true;
  if (spec.target.$case !== "exec") return isHarmlessFunction(spec.target.value);
  const { path, argv } = spec.target.value;
  return isHarmlessProgram(path === "" ? (argv[0] ?? "") : path, spec);
}

/** What it preloads does no harm: whatever a mutant makes of their names, they are no programs. */
function isHarmlessTemplate(spec: TemplateSpec | undefined): boolean {
  if (spec === undefined) return true;
  return (
    isHarmlessProgram(spec.interpreter, spec) &&
    isNowhere(spec.modulePath) &&
    (spec.init === undefined || isHarmlessFunction(spec.init)) &&
    spec.warmWorkers <= MOST_WARM
  );
}

function isHarmlessFunction(target: FunctionTarget): boolean {
  return (
    HARMLESS_FUNCTIONS.some((harmless) => harmless === target.function) &&
    isNowhere([...target.modulePath, target.mainFile])
  );
}

/** Nothing can be loaded from there. */
function isNowhere(paths: readonly string[]): boolean {
  return paths.every((path) => path === "" || !existsSync(path));
}

function isHarmlessProgram(
  program: string,
  { env, workingDir }: Pick<ProcessSpec, "env" | "workingDir">,
): boolean {
  return candidates(program, env["PATH"], workingDir).every(
    (file) => HARMLESS.some((harmless) => isSameFile(harmless, file)) || !isExecutable(file),
  );
}

/** The files that the keeper may find for the program. */
function candidates(program: string, ownPath: string | undefined, directory: string): string[] {
  // The kernel takes no longer paths.
  if (program === "" || program.length > 4095 || program.includes("\0")) return [];
  const inDirectory = (file: string): string =>
    file.startsWith("/") ? file : join(directory === "" ? "/" : directory, file);
  if (program.includes("/")) return [inDirectory(program)];
  const paths = [ownPath, process.env["PATH"], "/usr/local/bin:/bin:/usr/bin"];
  const directories = paths.flatMap((path) => path?.split(":") ?? []);
  return directories.map((each) => inDirectory(join(each, program)));
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

function isSameFile(a: string, b: string): boolean {
  try {
    return realpathSync(a) === realpathSync(b);
  } catch {
    return false;
  }
}
